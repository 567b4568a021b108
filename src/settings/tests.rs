//! Which source wins, and what a mistake in any of them is told as.

use super::*;

const NO_ENV: fn(&str) -> Option<String> = |_| None;

fn file(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("casewire.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

fn flags(values: &[(&'static str, &str)]) -> Flags {
    Flags::only(values.iter().map(|(flag, value)| (*flag, Some((*value).to_owned()))))
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let (_dir, path) = file("listen = \"127.0.0.1:1\"\nprefix = \"/a\"\nretention_hours = 0.5\n");
    let env = |variable: &str| match variable {
        "CASEWIRE_CONFIG" => Some(path.clone()),
        "CASEWIRE_LISTEN" => Some("127.0.0.1:2".to_owned()),
        "CASEWIRE_PREFIX" => Some("/b/".to_owned()),
        "CASEWIRE_DIALECT" => Some(String::new()),
        _ => None,
    };
    let settings = Settings::load_from(&flags(&[("listen", "127.0.0.1:3")]), env).unwrap();
    assert_eq!(settings.listen.port(), 3);
    assert_eq!(settings.prefix, "/b");
    assert_eq!(settings.limits.retention_ms, 1_800_000);
    assert_eq!(settings.dialect, "xpath@1");
}

#[test]
fn a_file_may_write_lists_and_numbers_as_toml_does() {
    let (_dir, path) = file(
        "egress_allow = [\"127.0.0.0/8\", \"::1\"]\nretry_schedule_seconds = [1, 1, 5]\nqueue_events_max = 1_000\nmax_in_flight = 0x10",
    );
    let settings = Settings::load_from(&flags(&[("config", &path)]), NO_ENV).unwrap();
    assert_eq!(settings.egress, EgressPolicy::parse("127.0.0.0/8,::1/128").unwrap());
    assert_eq!(settings.retry, RetrySchedule::parse("1,1,5").unwrap());
    assert_eq!(settings.limits.queue_events_max, 1_000);
    assert_eq!(settings.limits.in_flight_max, 16);
}

#[test]
fn a_tenant_may_have_a_period_and_bytes_of_its_own() {
    let (_dir, path) = file(
        "payload_retention_hours = 24\nretention_bytes = 1073741824\npayload_retention_bytes = 4194304\n[tenants.north]\n\
         payload_retention_hours = 0.5\nretention_bytes = 1048576\npayload_retention_bytes = 2097152\n",
    );
    let limits = Settings::load_from(&flags(&[("config", &path)]), NO_ENV).unwrap().limits;
    let periods = ["north", "south"].map(|tenant| limits.payload_retention.of(tenant));
    assert_eq!(periods, [Some(1_800_000), Some(86_400_000)]);
    assert_eq!(limits.retention_bytes, Some(1 << 30));
    assert_eq!(limits.tenants_retention_bytes.into_values().collect::<Vec<_>>(), [1 << 20]);
    let bytes = ["north", "south"].map(|tenant| limits.payload_retention.bytes_of(tenant));
    assert_eq!(bytes, [Some(2 << 20), Some(4 << 20)]);
}

#[test]
fn a_tenant_keeps_its_events_for_no_longer_than_all_do() {
    let (_dir, path) = file("[tenants.north]\nretention_hours = 200\n");
    let raised = flags(&[("config", &path), ("retention-hours", "300")]);
    let limits = Settings::load_from(&raised, NO_ENV).unwrap().limits;
    assert_eq!(limits.tenants_retention_ms.values().copied().collect::<Vec<_>>(), [200 * 3_600_000]);
    let error = Settings::load_from(&flags(&[("config", &path)]), NO_ENV).unwrap_err();
    let told =
        "casewire.toml line 2, tenants.north.retention_hours: is longer than retention_hours for all, 168,";
    assert!(error.message().contains(told), "{error}");
}

#[test]
fn an_unknown_key_or_a_broken_line_is_named_by_line() {
    for (text, told) in [
        ("\n# a comment\nlisten_on = 1\n", "casewire.toml line 3, listen_on: there is no such setting"),
        ("listen = \"127.0.0.1:1\"\nlisten = \"127.0.0.1:2\"\n", "casewire.toml line 2, listen: duplicate"),
        ("admin_token = canary\n", "casewire.toml line 1, admin_token: "),
        ("log\n", "casewire.toml line 1: "),
        ("[limits]\nqueue_events_max = 1\n", "casewire.toml line 1, limits: there is no such setting"),
        (
            "[tenants.north]\nretention = 1\n",
            "casewire.toml line 2, tenants.north.retention: there is no such",
        ),
        ("[tenants.North]\npayload_retention_hours = 1\n", "`North` is not a tenant's name"),
        ("[tenants.north]\npayload_retention_hours = 0\n", "payload_retention_hours: `0` is out of range"),
        ("tenants = 1\n", "casewire.toml line 1, tenants: write a tenant's settings under [tenants.NAME]"),
        ("[tenants]\nnorth = 1\n", "line 2, tenants.north: write a tenant's settings under [tenants.NAME]"),
        ("log = true\n", "casewire.toml line 1, log: is a boolean"),
        ("log = \"info\"\nmax_in_flight = 0\n", "casewire.toml line 2, max_in_flight: `0` is out of range"),
    ] {
        let (_dir, path) = file(text);
        let error = Settings::load_from(&flags(&[("config", &path)]), NO_ENV).unwrap_err();
        assert!(error.message().contains(told), "{text:?}: {error}");
        assert!(!error.message().contains("canary"), "what a line sets may be a secret: {error}");
    }
}

#[test]
fn every_wrong_value_is_refused_with_its_source() {
    for (flag, value) in [
        ("listen", "8080"),
        ("prefix", "v2"),
        ("prefix", "/"),
        ("prefix", "/{id}"),
        ("admin-token", "with spaces"),
        ("egress-allow", "10.0.0.0/33"),
        ("retry-schedule-seconds", "1,soon"),
        ("attempt-timeout-seconds", "-1"),
        ("attempt-timeout-seconds", "1e9"),
        ("retention-hours", "NaN"),
        ("disable-after-hours", "-1"),
        ("disable-after-hours", "0.00001"),
        ("queue-events-max", "0"),
        ("dialect", "xpath"),
        ("log", "casewire=loud"),
        ("shutdown-grace-seconds", "86400"),
    ] {
        let by_flag = Settings::load_from(&flags(&[(flag, value)]), NO_ENV).unwrap_err();
        assert!(by_flag.message().starts_with(&format!("--{flag}: ")), "{by_flag}");
        let variable = format!("CASEWIRE_{}", flag.replace('-', "_").to_uppercase());
        let by_env = |name: &str| (name == variable).then(|| value.to_owned());
        let by_env = Settings::load_from(&Flags::default(), by_env).unwrap_err();
        assert!(by_env.message().starts_with(&format!("{variable}: ")), "{by_env}");
    }
}

#[test]
fn the_help_states_the_defaults_that_hold() {
    let settings = Settings::default();
    for (key, default) in [
        ("data_dir", settings.data_dir.display().to_string()),
        ("listen", settings.listen.to_string()),
        ("prefix", settings.prefix.clone()),
        ("attempt_timeout_seconds", (settings.limits.attempt_timeout_ms / 1_000).to_string()),
        ("retention_hours", (settings.limits.retention_ms / 3_600_000).to_string()),
        ("disable_after_hours", (settings.limits.disable_after_ms.unwrap() / 3_600_000).to_string()),
        ("max_in_flight", settings.limits.in_flight_max.to_string()),
        ("queue_events_max", settings.limits.queue_events_max.to_string()),
        ("queue_bytes_max", settings.limits.queue_bytes_max.to_string()),
        ("window_deliveries_max", settings.limits.window_deliveries_max.to_string()),
        ("segment_bytes_max", settings.limits.segment_bytes_max.to_string()),
        ("endpoints_per_tenant_max", settings.limits.endpoints_per_tenant_max.to_string()),
        ("dialect", settings.dialect.clone()),
        ("log", settings.log.clone()),
        ("shutdown_grace_seconds", settings.shutdown_grace.as_secs().to_string()),
    ] {
        let help = KEYS.iter().find(|known| known.name() == key).unwrap().help;
        assert!(help.ends_with(&format!("[default: {default}]")), "{key}: {help}");
    }
    let retry = KEYS.iter().find(|known| known.name() == "retry_schedule_seconds").unwrap().help;
    let stated = retry.split_once("[default: ").unwrap().1.trim_end_matches(']');
    assert_eq!(RetrySchedule::parse(stated).unwrap(), settings.retry);
}

#[test]
fn without_a_time_no_endpoint_is_disabled() {
    for (hours, after_ms) in [("0", None), ("0.0", None), ("0.5", Some(1_800_000))] {
        let settings = Settings::load_from(&flags(&[("disable-after-hours", hours)]), NO_ENV).unwrap();
        assert_eq!(settings.limits.disable_after_ms, after_ms, "{hours}");
    }
}

#[test]
fn a_token_does_not_show_in_debug_output() {
    let settings = Settings::load_from(&flags(&[("admin-token", "canary-canary-canary")]), NO_ENV).unwrap();
    assert!(!format!("{settings:?}").contains("canary"));
    assert_eq!(settings.admin_token.unwrap().secret(), "canary-canary-canary");
}
