//! How the text of a setting is read.

use casewire_data::event::EventType;

/// Milliseconds in an hour.
pub(super) const HOUR_MS: f64 = 3_600_000.0;

pub(super) fn prefix(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let segments = text.strip_prefix('/').map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    match segments {
        Some(path) if path.split('/').all(|part| !part.is_empty() && part.bytes().all(allowed)) => {
            Ok(format!("/{path}"))
        }
        _ => Err(format!("`{text}` is not a path prefix; write it like /v2.3/webhooks")),
    }
}

pub(super) fn dialect(text: &str) -> Result<String, String> {
    let wrong = || format!("`{text}` is not a dialect with its revision; write it like xpath@1");
    let (name, revision) = text.split_once('@').ok_or_else(wrong)?;
    EventType::new(name).map_err(|_| wrong())?;
    revision.parse::<u32>().map_err(|_| wrong())?;
    Ok(text.to_owned())
}

pub(super) fn number<N: std::str::FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number from 0"))
}

/// `text` in a unit of so many milliseconds; fractions allowed.
pub(super) fn millis(text: &str, unit_ms: f64) -> Result<i64, String> {
    let value: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if !value.is_finite() || value < 0.0 {
        return Err(format!("`{text}` is not a number from 0"));
    }
    // A cast saturates; what is too long is refused with the other limits.
    #[allow(clippy::cast_possible_truncation)]
    Ok((value * unit_ms).round() as i64)
}
