//! Who calls, and what they may do.

use actix_web::{HttpRequest, http::header::AUTHORIZATION};
use casewire_data::{
    audit::Principal,
    event::Tenant,
    token::{Scope, Token},
};

use super::{engine, problem::Problem};
use crate::{engine::Engine, tenant::TenantHandle};

/// A caller with a valid token that holds the scope which the route asks for.
pub(super) struct Caller {
    engine: Engine,
    token: Token,
}

impl Caller {
    /// Checks the bearer token before anything else of the request is looked at: 401 without a
    /// valid one, 403 if it lacks `scope`.
    pub(super) fn authorize(request: &HttpRequest, scope: Scope) -> Result<Self, Problem> {
        let engine = engine(request).clone();
        let token = token(request).ok_or_else(Problem::unauthorized)?;
        check_scope(&token, scope)?;
        Ok(Self { engine, token })
    }

    /// Checks the bearer token of a caller who may have any scope.
    pub(super) fn authenticate(request: &HttpRequest) -> Result<(), Problem> {
        token(request).map(drop).ok_or_else(Problem::unauthorized)
    }

    /// The engine.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Everything that the caller's tenant can see and do.
    pub(super) fn tenant(&self) -> TenantHandle {
        self.in_tenant(self.token.tenant.clone())
    }

    /// Who it is, in its own tenant.
    pub(super) fn principal(&self) -> Principal {
        Principal::calling(&self.token, &self.token.tenant)
    }

    fn in_tenant(&self, name: Tenant) -> TenantHandle {
        let by = Principal::calling(&self.token, &name);
        self.engine.tenant(name).used_by(by)
    }

    /// The same of the tenant that is named, if one is: its own, or any for an admin of the tenant `default`, who is the
    /// operator. 403 for anybody else.
    pub(super) fn tenant_named(&self, named: Option<Tenant>) -> Result<TenantHandle, Problem> {
        match named {
            Some(other) if other != self.token.tenant && !self.is_operator() => {
                Err(Problem::forbidden("this token is for its own tenant only; leave `tenant` out"))
            }
            named => Ok(self.in_tenant(named.unwrap_or_else(|| self.token.tenant.clone()))),
        }
    }

    /// Whether the caller's tenant is the operator's.
    pub(super) fn is_operator(&self) -> bool {
        self.token.tenant == Tenant::default()
    }

    /// Whether it could shut its own tenant out by deleting its last token with the scope `admin`.
    pub(super) fn may_shut_itself_out(&self, tenant: &TenantHandle) -> bool {
        let spare = self.is_operator() && self.engine.has_admin_token();
        *tenant.name() == self.token.tenant && !spare
    }

    /// 403 if the caller may not also do what `scope` stands for.
    pub(super) fn check(&self, scope: Scope) -> Result<(), Problem> {
        check_scope(&self.token, scope)
    }

    /// Whether the caller may also do what `scope` stands for.
    pub(super) fn allows(&self, scope: Scope) -> bool {
        self.token.allows(scope)
    }
}

/// The token that a request comes with, if it is valid.
pub(super) fn token(request: &HttpRequest) -> Option<Token> {
    bearer(request).and_then(|secret| engine(request).authenticate(secret))
}

/// 403 for a token that may not do what `scope` stands for.
pub(super) fn check_scope(token: &Token, scope: Scope) -> Result<(), Problem> {
    if token.allows(scope) {
        return Ok(());
    }
    let scope = scope.as_str();
    Err(Problem::forbidden(format!("this token lacks the scope `{scope}`; use a token that has it")))
}

/// The secret after `Bearer`, whose case does not matter (RFC 9110, 11.1). Two credentials are none.
fn bearer(request: &HttpRequest) -> Option<&str> {
    let mut all = request.headers().get_all(AUTHORIZATION);
    let only = all.next().filter(|_| all.next().is_none())?;
    let (scheme, secret) = only.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim()).filter(|secret| !secret.is_empty())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn bearer_of(credentials: &[&str]) -> Option<String> {
        let request = credentials
            .iter()
            .fold(TestRequest::get(), |request, value| request.append_header((AUTHORIZATION, *value)))
            .to_http_request();
        bearer(&request).map(str::to_owned)
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for good in ["Bearer s3cret", "bearer s3cret", "BEARER   s3cret "] {
            assert_eq!(bearer_of(&[good]).as_deref(), Some("s3cret"), "{good}");
        }
    }

    #[test]
    fn anything_but_one_bearer_secret_is_no_credential() {
        for bad in
            [&[][..], &["Bearer"], &["Bearer "], &["s3cret"], &["Basic s3cret"], &["Bearer a", "Bearer a"]]
        {
            assert_eq!(bearer_of(bad), None, "{bad:?}");
        }
    }
}
