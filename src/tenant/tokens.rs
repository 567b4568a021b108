//! A tenant's tokens.

use casewire_actors::registry::{CreateToken, DeleteToken};
use casewire_data::{
    Result,
    id::TokenId,
    token::{Scope, Token, check_description},
};

use super::TenantHandle;
use crate::engine::gone;

impl TenantHandle {
    /// Creates a token; the second value is its secret, which is kept nowhere and cannot be shown again.
    pub async fn create_token(
        &self,
        scopes: Vec<Scope>,
        description: Option<String>,
    ) -> Result<(Token, String)> {
        let description = check_description(description)?;
        let message = CreateToken { tenant: self.name.clone(), scopes, description, by: self.by.clone() };
        self.tree.registry.send(message).await.map_err(|_| gone())?
    }

    /// All tokens, newest first; not the one of [`EngineBuilder::admin_token`](crate::EngineBuilder::admin_token), which
    /// is stored nowhere.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        Ok(self.tree.directory.tokens(&self.name))
    }

    /// Deletes a token: from now on nobody is let in by it.
    pub async fn delete_token(&self, id: TokenId) -> Result<()> {
        self.delete_token_unless_last(id, false).await
    }

    /// As [`TenantHandle::delete_token`]; if it `keeps_an_admin`, `Conflict` for the last one with the scope `admin`.
    pub(crate) async fn delete_token_unless_last(&self, id: TokenId, keeps_an_admin: bool) -> Result<()> {
        let message = DeleteToken { tenant: self.name.clone(), id, keeps_an_admin, by: self.by.clone() };
        self.tree.registry.send(message).await.map_err(|_| gone())?
    }
}
