//! Rotation: a new secret takes the place of another one, which stays in force for a while.

use std::fmt;

use super::{Endpoint, EndpointContext};
use crate::{
    Timestamp,
    dialect::Dialect,
    error::{Error, ErrorKind, Result},
    limits,
    secret::{RetiringSecret, Secret},
};

/// How a secret is to be followed by another one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Rotation {
    /// A secret of the customer's; if absent, made where the dialect has it so, in the form of the one before.
    pub secret: Option<String>,
    /// Seconds for which the secrets until now stay in force, at most
    /// [`SECRET_OVERLAP_SECONDS_MAX`](limits::SECRET_OVERLAP_SECONDS_MAX); 0 ends them at once. If absent,
    /// [`SECRET_OVERLAP_SECONDS`](limits::SECRET_OVERLAP_SECONDS), or 0 where the receiver gets the new one when it is
    /// asked whether it wants deliveries.
    pub overlap_seconds: Option<u32>,
}

impl Endpoint {
    /// The endpoint with a new secret, given or made from `random`, and the ones until now in force until the overlap is
    /// over. The error names what is wrong; it is a `Conflict` if there is no secret in the dialect, or too many are in
    /// force.
    pub fn rotated(
        &self,
        rotation: &Rotation,
        random: [u8; 32],
        context: &EndpointContext<'_>,
    ) -> Result<Self> {
        let dialect = context.dialects.get(&self.dialect)?;
        let overlap_seconds = check_overlap(rotation.overlap_seconds, &dialect)?;
        let next = dialect.next_secret(self.secrets.first(), rotation.secret.as_deref(), random)?;
        if self.secrets.contains(&next) {
            return Err(Error::field("secret", "is the one in force already; give another one, or none"));
        }
        let mut changed = self.clone();
        let end = context.now.plus_millis(i64::from(overlap_seconds) * 1_000);
        let until_now =
            self.secrets.iter().map(|secret| RetiringSecret { secret: secret.clone(), until: end });
        let earlier = self.retiring.iter().cloned();
        let earlier = earlier.map(|it| RetiringSecret { until: it.until.min(end), ..it });
        let retiring: Vec<_> = until_now.chain(earlier).filter(|it| it.secret != next).collect();
        changed.retiring = retiring.into();
        changed.forget_expired(context.now);
        changed.check_room(context.now)?;
        changed.secrets = [next].into();
        changed.touch(context.now);
        Ok(changed)
    }

    /// The secrets that an attempt at a time may be signed with, the newest first, and when each ends.
    pub fn secrets_in_force(&self, at: Timestamp) -> impl Iterator<Item = (&Secret, Option<Timestamp>)> {
        let retiring = self.retiring.iter().filter(move |it| at < it.until);
        let lasting = self.secrets.iter().map(|secret| (secret, None));
        lasting.chain(retiring.map(|it| (&it.secret, Some(it.until))))
    }

    /// Forgets the secrets that are no longer in force.
    pub(super) fn forget_expired(&mut self, now: Timestamp) {
        self.retiring.change(|retiring| retiring.retain(|it| now < it.until));
    }

    fn check_room(&self, now: Timestamp) -> Result<()> {
        let most = limits::SECRETS_IN_FORCE_MAX;
        if self.retiring.len() < most {
            return Ok(());
        }
        let next_end = self.retiring.iter().map(|it| it.until).min().unwrap_or(now);
        let message = format!(
            "the endpoint has {most} secrets in force, the most allowed; wait until {next_end}, when the next one ends, \
             or end them all with `overlap_seconds` 0"
        );
        Err(Error::new(ErrorKind::Conflict, message))
    }
}

fn check_overlap(given: Option<u32>, dialect: &Dialect) -> Result<u32> {
    let most = limits::SECRET_OVERLAP_SECONDS_MAX;
    match given {
        None if dialect.hands_over_secrets() => Ok(0),
        None => Ok(limits::SECRET_OVERLAP_SECONDS),
        Some(1..) if dialect.hands_over_secrets() => {
            let message = format!(
                "cannot be in {}: its receiver is given the new secret at once, and may forget the other; leave it out",
                dialect.id()
            );
            Err(Error::field("overlap_seconds", message))
        }
        Some(seconds) if seconds > most => {
            Err(Error::field("overlap_seconds", format!("is {seconds}; choose 0 to {most}")))
        }
        Some(seconds) => Ok(seconds),
    }
}

// It may hold a secret.
impl fmt::Debug for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotation").field("overlap_seconds", &self.overlap_seconds).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        address::EgressPolicy,
        dialect::Dialects,
        endpoint::{EndpointDraft, EndpointIdentity, EndpointPatch},
        event::Tenant,
        id::EndpointId,
        secret::SecretForm,
    };

    const NOW: Timestamp = Timestamp::from_millis(1_777_453_800_000);
    const HOUR_MS: i64 = 3_600_000;

    fn with<T>(now: Timestamp, check: impl FnOnce(&EndpointContext<'_>) -> T) -> T {
        let (dialects, egress) = (Dialects::builtin(), EgressPolicy::default());
        check(&EndpointContext { dialects: &dialects, default_dialect: "xpath@1", egress: &egress, now })
    }

    fn endpoint(dialect: &str, secret: Option<&str>) -> Endpoint {
        let event_type = match dialect {
            "claimable@1" => "claim.created",
            "ecourtdate@1" => "messages.received",
            "clio@1" => "matter.created",
            _ => "push",
        };
        let draft = EndpointDraft {
            url: "https://partner.example.com/".into(),
            events: vec![event_type.into()],
            dialect: Some(dialect.into()),
            secret: secret.map(str::to_owned),
            ..EndpointDraft::default()
        };
        let (id, tenant) = (EndpointId::from_u128(1), Tenant::default());
        let identity = EndpointIdentity { id, ordinal: 1, tenant, random: [0; 32] };
        with(NOW, |context| draft.into_endpoint(identity, context)).unwrap()
    }

    fn rotated(endpoint: &Endpoint, rotation: &Rotation, byte: u8, now: Timestamp) -> Result<Endpoint> {
        with(now, |context| endpoint.rotated(rotation, [byte; 32], context))
    }

    fn overlap(seconds: u32) -> Rotation {
        Rotation { overlap_seconds: Some(seconds), ..Rotation::default() }
    }

    fn in_force(endpoint: &Endpoint, at: Timestamp) -> Vec<Secret> {
        endpoint.secrets_in_force(at).map(|(secret, _)| secret.clone()).collect()
    }

    fn made(byte: u8) -> Secret {
        Secret::generate([byte; 32])
    }

    #[test]
    fn both_are_in_force_for_a_day_the_newest_first_and_then_the_new_one_alone() {
        let changed = rotated(&endpoint("standard@1", None), &Rotation::default(), 1, NOW).unwrap();
        let end = NOW.plus_millis(24 * HOUR_MS);
        assert_eq!(in_force(&changed, NOW), [made(1), made(0)]);
        assert_eq!(in_force(&changed, end.plus_millis(-1)), [made(1), made(0)]);
        assert_eq!(in_force(&changed, end), [made(1)]);
        assert!(changed.updated_at > NOW);
    }

    #[test]
    fn a_rotation_never_prolongs_a_secret_and_without_overlap_ends_all() {
        let first = rotated(&endpoint("standard@1", None), &overlap(7_200), 1, NOW).unwrap();
        let later = NOW.plus_millis(HOUR_MS);
        let second = rotated(&first, &overlap(7_200), 2, later).unwrap();
        assert_eq!(in_force(&second, later), [made(2), made(1), made(0)]);
        assert_eq!(in_force(&second, NOW.plus_millis(2 * HOUR_MS)), [made(2), made(1)]);
        let shorter = rotated(&first, &overlap(60), 2, later).unwrap();
        assert_eq!(in_force(&shorter, later.plus_millis(60_000)), [made(2)]);
        let leaked = rotated(&second, &overlap(0), 3, later).unwrap();
        assert_eq!(*leaked.retiring, []);
        assert_eq!(in_force(&leaked, later), [made(3)]);
    }

    #[test]
    fn a_secret_of_ones_own_may_be_one_that_is_retiring_but_not_the_newest() {
        let changed = rotated(&endpoint("standard@1", None), &overlap(60), 1, NOW).unwrap();
        let own = |secret: &Secret| Rotation { secret: Some(secret.expose()), overlap_seconds: Some(60) };
        let back = rotated(&changed, &own(&made(0)), 9, NOW).unwrap();
        assert_eq!(in_force(&back, NOW), [made(0), made(1)]);
        let error = rotated(&changed, &own(&made(1)), 9, NOW).unwrap_err();
        assert_eq!(error.field_errors()[0].field, "secret");
    }

    #[test]
    fn so_many_and_no_more_are_in_force_and_expired_ones_do_not_count() {
        let mut full = endpoint("standard@1", None);
        for byte in 1..limits::SECRETS_IN_FORCE_MAX as u8 {
            full = rotated(&full, &overlap(60), byte, NOW).unwrap();
        }
        let error = rotated(&full, &overlap(60), 9, NOW).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(in_force(&rotated(&full, &overlap(0), 9, NOW).unwrap(), NOW), [made(9)]);
        let later = NOW.plus_millis(60_000);
        assert_eq!(rotated(&full, &overlap(60), 9, later).unwrap().retiring.len(), 1);
    }

    #[test]
    fn a_patched_secret_replaces_all_and_any_patch_forgets_the_expired() {
        let changed = rotated(&endpoint("standard@1", None), &overlap(60), 1, NOW).unwrap();
        let patched =
            |patch: EndpointPatch, now| with(now, |context| changed.patched(patch, context)).unwrap();
        let secret = EndpointPatch { secret: Some(made(5).expose()), ..EndpointPatch::default() };
        assert_eq!(in_force(&patched(secret, NOW), NOW), [made(5)]);
        assert_eq!(patched(EndpointPatch::default(), NOW).retiring.len(), 1);
        assert_eq!(patched(EndpointPatch::default(), NOW.plus_millis(60_000)).retiring.len(), 0);
    }

    #[test]
    fn each_dialect_rotates_what_it_has() {
        let wrong = |dialect: &str, own: Option<&str>, rotation: &Rotation| {
            let error = rotated(&endpoint(dialect, own), rotation, 1, NOW).unwrap_err();
            let fields = error.field_errors().iter().map(|it| it.field.clone()).collect::<Vec<_>>();
            (error.kind(), fields.join(","))
        };
        let none = (ErrorKind::Conflict, String::new());
        let field = |name: &str| (ErrorKind::Invalid, name.to_owned());
        assert_eq!(wrong("claimable@1", None, &Rotation::default()), none);
        assert_eq!(wrong("github@1", Some("own"), &Rotation::default()), field("secret"));
        assert_eq!(wrong("ecourtdate@1", Some("own"), &Rotation::default()), field("secret"));
        assert_eq!(wrong("clio@1", None, &overlap(60)), field("overlap_seconds"));
        let long = overlap(limits::SECRET_OVERLAP_SECONDS_MAX + 1);
        assert_eq!(wrong("standard@1", None, &long), field("overlap_seconds"));
        let clio = rotated(&endpoint("clio@1", None), &Rotation::default(), 1, NOW).unwrap();
        assert_eq!((clio.secrets.len(), clio.retiring.len()), (1, 0), "the receiver has it at once");
        let own = Rotation { secret: Some("next".into()), ..Rotation::default() };
        let first = rotated(&endpoint("github@1", None), &own, 1, NOW).unwrap();
        assert_eq!((first.secrets[0].expose().as_str(), first.retiring.len()), ("next", 0));
    }

    #[test]
    fn who_signs_by_a_private_key_goes_on_to_do_so() {
        let own = Secret::generate_as(SecretForm::Whsk, [7; 32]);
        let rotation = Rotation { secret: Some(own.expose()), ..Rotation::default() };
        let changed = rotated(&endpoint("standard@1", None), &rotation, 1, NOW).unwrap();
        assert_eq!(in_force(&changed, NOW), [own.clone(), made(0)]);
        let next = rotated(&changed, &Rotation::default(), 2, NOW).unwrap();
        assert_eq!(in_force(&next, NOW), [Secret::generate_as(SecretForm::Whsk, [2; 32]), own, made(0)]);
    }

    #[test]
    fn no_print_repeats_a_secret() {
        let rotation = Rotation { secret: Some("canary".into()), ..Rotation::default() };
        let changed = rotated(&endpoint("github@1", Some("canary-too")), &rotation, 1, NOW).unwrap();
        assert!(!format!("{rotation:?}{changed:?}{:?}", changed.retiring).contains("canary"));
    }
}
