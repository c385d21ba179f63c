//! Values that are typed.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use migrate_core::duration::parse_typed;
use migrate_core::version::VersionError;
use migrate_runtime::{SchemaVersion, Version};

/// A URL that may hold a password, and so is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DatabaseUrl(String);

impl DatabaseUrl {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether anything in it looks like a password. One too many is said to have one.
    pub(crate) fn may_hold_a_password(&self) -> bool {
        let Some((_, rest)) = self.0.split_once("://") else {
            return false;
        };
        let query = rest.split_once('?').map_or("", |(_, query)| query);
        let of_a_user = rest.rsplit_once('@').is_some_and(|(credentials, _)| credentials.contains(':'));
        let names_one = |pair: &str| {
            let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
            name.contains("password") || name.contains('%')
        };
        of_a_user || query.split('&').any(names_one)
    }
}

impl FromStr for DatabaseUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(..)")
    }
}

/// The version of a migration; for one that is written too short, the one that was probably meant.
pub(super) fn version(text: &str) -> Result<SchemaVersion, String> {
    text.parse().map_err(|error: VersionError| with_meant(&error, meant::<SchemaVersion>(text)))
}

/// The same for the version of a program.
pub(crate) fn program_version(text: &str) -> Result<Version, String> {
    Version::parse(text).map_err(|error| with_meant(&error, meant::<Version>(text)))
}

fn with_meant(error: &impl fmt::Display, meant: Option<impl fmt::Display>) -> String {
    meant.map_or_else(|| error.to_string(), |meant| format!("{error}; did you mean `{meant}`?"))
}

/// The version that was probably meant by one with a `v` before it or without its last numbers.
fn meant<V: FromStr>(text: &str) -> Option<V> {
    let digits = text.strip_prefix(['v', 'V']).unwrap_or(text);
    format!("{digits}{}", ".0".repeat(2_usize.saturating_sub(digits.matches('.').count()))).parse().ok()
}

/// How many migrations: one or more. Whoever writes a version means another option.
pub(super) fn steps(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(0) => Err("no step would be left to do; give 1 or more".to_owned()),
        Ok(steps) => Ok(steps),
        Err(_) if text.contains('.') => Err(match meant::<SchemaVersion>(text) {
            Some(version) => format!("it is a version and no number of migrations; did you mean `--to {version}`?"),
            None => "it is no number of migrations".to_owned(),
        }),
        Err(_) => Err("it is no number of migrations".to_owned()),
    }
}

/// A length of time with its unit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    parse_typed(text)
        .map_err(|error| if is_number { format!("say a unit, such as `{text}s`") } else { error.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_programs_are_completed_too() {
        assert!(program_version("1.1").unwrap_err().ends_with("; did you mean `1.1.0`?"));
        assert!(program_version("v2.0.0-rc.1").unwrap_err().ends_with("; did you mean `2.0.0-rc.1`?"));
        assert!(!program_version("new").unwrap_err().contains("did you mean"));
        assert_eq!(program_version("1.2.3"), Ok(Version::new(1, 2, 3)));
    }

    #[test]
    fn a_password_is_found_wherever_it_stands() {
        let urls = [
            ("sqlite:app.db", false),
            ("postgres://app@localhost:5432/app?sslmode=require", false),
            ("postgres://localhost:5432/app?passfile=/etc/pass", false),
            ("postgres://app:secret@localhost/app", true),
            ("postgres://app:sec/ret@localhost/app", true),
            ("postgres://app:sec?ret@localhost/app", true),
            ("postgres://localhost/app?user=app&password=secret", true),
            ("postgres://localhost/app?user=app&PassWord=secret", true),
            ("postgres://localhost/app?pass%77ord=secret", true),
        ];
        for (url, has_one) in urls {
            assert_eq!(DatabaseUrl(url.to_owned()).may_hold_a_password(), has_one, "{url}");
        }
    }

    #[test]
    fn a_version_is_no_number_of_steps() {
        assert_eq!(steps("2"), Ok(2));
        assert!(steps("1.0.0").unwrap_err().ends_with("did you mean `--to 1.0.0`?"));
        assert!(steps("1.1").unwrap_err().ends_with("did you mean `--to 1.1.0`?"));
        assert_eq!(steps("0").unwrap_err(), "no step would be left to do; give 1 or more");
        assert_eq!(steps("-1").unwrap_err(), "it is no number of migrations");
    }

    #[test]
    fn a_duration_has_a_unit() {
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("5").unwrap_err(), "say a unit, such as `5s`");
        assert_eq!(duration("").unwrap_err(), "it has no unit");
    }

    #[test]
    fn versions_that_are_too_short_are_completed() {
        for (text, meant) in [("1.1", "`1.1.0`"), ("2", "`2.0.0`"), ("v1.2.3", "`1.2.3`"), ("v1", "`1.0.0`")] {
            let error = version(text).unwrap_err();
            assert!(error.ends_with(&format!("did you mean {meant}?")), "{error}");
        }
        assert!(!version("1.x").unwrap_err().contains("did you mean"));
        assert_eq!(version("1.2.3"), Ok(SchemaVersion::new(1, 2, 3)));
    }
}
