//! Where tokens come from and end: the part of the registry that callers are let in by.

use std::collections::BTreeSet;

use actix::{Handler, Message, ResponseFuture};
use casewire_data::{
    Error, ErrorKind, Result,
    audit::{Act, Action, Principal},
    event::Tenant,
    id::TokenId,
    signature::{hex, sha256},
    store::Document,
    token::{Scope, Token},
};

use super::{Registry, random};
use crate::clock;

/// Create a token; answers with it and its secret, which is kept nowhere.
#[derive(Debug, Message)]
#[rtype(result = "Result<(Token, String)>")]
pub struct CreateToken {
    /// To which tenant it belongs.
    pub tenant: Tenant,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// For people to read.
    pub description: Option<String>,
    /// Who wants it.
    pub by: Principal,
}

impl Handler<CreateToken> for Registry {
    type Result = ResponseFuture<Result<(Token, String)>>;

    fn handle(&mut self, message: CreateToken, _: &mut Self::Context) -> Self::Result {
        let now = clock::wall();
        let CreateToken { tenant, mut scopes, description, by } = message;
        // What is named twice is held once, where it was named first.
        let mut held = BTreeSet::new();
        scopes.retain(|scope| held.insert(scope.as_str()));
        let made = self.next_id(now).and_then(|id| {
            let secret = format!("cwt_{}", hex(&random::<32>()?));
            let (id, secret_sha256) = (TokenId::from_u128(id), sha256(secret.as_bytes()));
            Ok((Token { id, tenant, scopes, description, secret_sha256, created_at: now }, secret))
        });
        let (journal, directory) = (self.journal.clone(), self.directory.clone());
        Box::pin(async move {
            let (token, secret) = made?;
            let act = Act::new(&token.tenant, by, Action::TokenCreate, token.id);
            journal.document(act, Document::Token(token.clone())).await?;
            directory.put_token(token.clone());
            Ok((token, secret))
        })
    }
}

/// Delete a token: nobody is let in by it any more, from now on.
#[derive(Debug, Message)]
#[rtype(result = "Result<()>")]
pub struct DeleteToken {
    /// To which tenant it belongs.
    pub tenant: Tenant,
    /// Which one.
    pub id: TokenId,
    /// Refuse it if the tenant has no other token with the scope `admin`: whoever asks would shut itself out.
    pub keeps_an_admin: bool,
    /// Who wants it.
    pub by: Principal,
}

impl Registry {
    fn check_token_may_go(&self, message: &DeleteToken) -> Result<()> {
        let tokens = self.directory.tokens(&message.tenant);
        let found = tokens.iter().find(|token| token.id == message.id);
        let is_admin = |token: &Token| token.allows(Scope::Admin);
        let has_another = || tokens.iter().any(|token| token.id != message.id && is_admin(token));
        match found {
            None => Err(Error::new(ErrorKind::NotFound, "there is no such token")),
            Some(token) if message.keeps_an_admin && is_admin(token) && !has_another() => {
                let what = "the token is the last one with the scope `admin`; create another one first, or nobody could";
                Err(Error::new(ErrorKind::Conflict, what))
            }
            Some(_) => Ok(()),
        }
    }
}

impl Handler<DeleteToken> for Registry {
    type Result = ResponseFuture<Result<()>>;

    fn handle(&mut self, message: DeleteToken, _: &mut Self::Context) -> Self::Result {
        if let Err(error) = self.check_token_may_go(&message) {
            return Box::pin(async { Err(error) });
        }
        let DeleteToken { tenant, id, by, .. } = message;
        self.directory.remove_token(id);
        let (journal, act) = (self.journal.clone(), Act::new(&tenant, by, Action::TokenDelete, id));
        Box::pin(async move { journal.document(act, Document::TokenRevoked(id)).await })
    }
}
