//! `casewire dialect`: which formats there are, what each is like, whether a file of one's own is right, and what would
//! be sent.

mod check;
mod render;
mod show;

use casewire_data::dialect::Dialects;
use serde_json::json;

use super::{Failure, Outcome, output};
use crate::{
    dialect_folder::read_dialects,
    settings::{Flags, Settings},
};

/// What `dialect` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// All dialects, with a line on each.
    #[command(after_help = "Examples:
  casewire dialect list
  casewire dialect list --dialects ./dialects")]
    List(FolderArgs),
    /// All that there is to know of one.
    #[command(after_help = "Example:
  casewire dialect show xpath@1")]
    Show(show::Args),
    /// Compile files of your own and name every mistake by its line; 1 if there is any.
    #[command(after_help = "Example:
  casewire dialect check own@1.toml")]
    Check(check::Args),
    /// Print the exact request that an endpoint would be sent for an event.
    #[command(after_help = "Example:
  casewire dialect render --dialect xpath@1 --event event.json")]
    Render(render::Args),
}

/// Which dialects there are besides those that are shipped.
#[derive(Debug, clap::Args)]
pub(super) struct FolderArgs {
    /// Folder of your own dialects, as under `serve` [env: CASEWIRE_DIALECTS]
    #[arg(long, value_name = "DIR")]
    dialects: Option<String>,
    /// TOML file of settings, as under `serve` [env: CASEWIRE_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
}

impl FolderArgs {
    /// The dialects that there are.
    pub(super) fn read(&self) -> Result<Dialects, Failure> {
        let given = [("config", self.config.clone()), ("dialects", self.dialects.clone())];
        let settings = Settings::load(&Flags::only(given))?;
        Ok(match settings.dialects {
            Some(folder) => read_dialects(folder)?,
            None => Dialects::builtin(),
        })
    }
}

/// Does what is asked for. Opens no data directory, and no connection.
pub(super) fn run(args: Args, json: bool) -> Outcome {
    match args.action {
        Action::List(folder) => list(&folder.read()?, json),
        Action::Show(args) => show::run(args, json),
        Action::Check(args) => check::run(&args, json),
        Action::Render(args) => render::run(args, json),
    }
}

fn list(dialects: &Dialects, json: bool) -> Outcome {
    if json {
        let all = dialects.all().map(|it| json!({ "id": it.id(), "summary": it.summary() }));
        output::json(&json!({ "data": all.collect::<Vec<_>>() }));
    } else {
        let rows: Vec<_> =
            dialects.all().map(|it| vec![it.id().to_owned(), it.summary().to_owned()]).collect();
        output::table(&["id", "summary"], &rows);
    }
    Ok(())
}
