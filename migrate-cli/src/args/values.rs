//! Values that are typed.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use migrate_core::version::VersionError;
use migrate_runtime::SchemaVersion;

/// A URL that may hold a password, and so is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct DatabaseUrl(String);

impl DatabaseUrl {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
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
    text.parse().map_err(|error: VersionError| {
        let digits = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let padded = format!("{digits}{}", ".0".repeat(2_usize.saturating_sub(digits.matches('.').count())));
        match padded.parse::<SchemaVersion>() {
            Ok(meant) => format!("{error}; did you mean `{meant}`?"),
            Err(_) => error.to_string(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
