//! Where tokens come from: the part of the registry that callers are let in by.

use actix::{Handler, Message, ResponseFuture};
use casewire_data::{
    Result,
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
}

impl Handler<CreateToken> for Registry {
    type Result = ResponseFuture<Result<(Token, String)>>;

    fn handle(&mut self, message: CreateToken, _: &mut Self::Context) -> Self::Result {
        let now = clock::wall();
        let made = self.next_id(now).and_then(|id| {
            let secret = format!("cwt_{}", hex(&random::<32>()?));
            let token = Token {
                id: TokenId::from_u128(id),
                tenant: message.tenant,
                scopes: message.scopes,
                description: message.description,
                secret_sha256: sha256(secret.as_bytes()),
                created_at: now,
            };
            Ok((token, secret))
        });
        let (journal, directory) = (self.journal.clone(), self.directory.clone());
        Box::pin(async move {
            let (token, secret) = made?;
            journal.document(Document::Token(token.clone())).await?;
            directory.put_token(token.clone());
            Ok((token, secret))
        })
    }
}
