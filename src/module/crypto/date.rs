//! Points in time as `community.crypto` writes them: `+365d`, `-5m`, `+1w2d`, or `20301231235959Z`.

use crate::module::Failure;

/// Seconds since 1970, given what the time is now.
///
/// # Errors
/// When it is neither form.
pub(super) fn seconds(text: &str, now: i64) -> Result<i64, Failure> {
    let wrong = || Failure::new(format!("`{text}` is no point in time")).help("write `+365d`, or `20301231235959Z`");
    let relative = text.strip_prefix('+').map(|t| (1, t)).or_else(|| text.strip_prefix('-').map(|t| (-1, t)));
    let Some((sign, mut rest)) = relative else {
        let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%SZ", text).map_err(|_| wrong())?;
        let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
        return Ok(zoned.timestamp().as_second());
    };
    let mut sum: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: i64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = match rest.as_bytes()[digits] {
            b'w' => 604_800,
            b'd' => 86_400,
            b'h' => 3_600,
            b'm' => 60,
            b's' => 1,
            _ => return Err(wrong()),
        };
        sum = number.checked_mul(unit).and_then(|n| sum.checked_add(n)).ok_or_else(wrong)?;
        rest = &rest[digits + 1..];
    }
    now.checked_add(sign * sum).ok_or_else(wrong)
}

/// `20301231235959Z`, the form that results have.
pub(super) fn text(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y%m%d%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        for (text, expected) in [
            ("+0s", 1000),
            ("+1d", 87_400),
            ("-5m", 700),
            ("+1w2d3h", 1000 + 604_800 + 172_800 + 10_800),
            ("19700101000010Z", 10),
        ] {
            assert_eq!(seconds(text, 1000).unwrap(), expected, "{text}");
        }
        for bad in ["", "1d", "+1", "+1y", "+d", "2030", "+99999999999999999999d"] {
            assert!(seconds(bad, 0).is_err() || bad == "+", "{bad}");
        }
        assert!(seconds("+9223372036854775807s", 1000).is_err());
        assert_eq!(super::text(10), "19700101000010Z");
    }
}
