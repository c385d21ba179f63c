//! The version of a migration: `MAJOR.MINOR.PATCH`, ordered as semver orders it.

use std::fmt;
use std::str::FromStr;

/// The version of one migration, and so of the schema once it is applied.
///
/// Three numbers; no pre-release and no build metadata, because two migrations must never compare equal while they
/// differ. Ordering is numeric, so `1.10.0` comes after `1.9.0`.
///
/// ```
/// use migrate_core::version::SchemaVersion;
///
/// let version: SchemaVersion = "1.10.0".parse()?;
/// assert_eq!(version, SchemaVersion::new(1, 10, 0));
/// assert!(version > SchemaVersion::new(1, 9, 0));
/// assert_eq!(version.to_string(), "1.10.0");
/// # Ok::<(), migrate_core::version::VersionError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaVersion {
    /// Raised for a change that older binaries cannot work with.
    pub major: u64,
    /// Raised for an addition.
    pub minor: u64,
    /// Raised for a correction.
    pub patch: u64,
}

impl SchemaVersion {
    /// A version of its three numbers.
    #[must_use]
    pub const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self { major, minor, patch }
    }

    /// The same version as the `semver` crate's type, to be matched against requirements.
    #[must_use]
    pub fn to_semver(self) -> semver::Version {
        semver::Version::new(self.major, self.minor, self.patch)
    }
}

impl fmt::Display for SchemaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}.{}", self.major, self.minor, self.patch))
    }
}

impl FromStr for SchemaVersion {
    type Err = VersionError;

    /// # Errors
    ///
    /// `1.0` (two numbers), `01.0.0` (a leading zero), `v1.0.0` (a letter), `1.0.0-rc.1` (a pre-release), `1.0.0+7`
    /// (build metadata), and numbers above 2⁶⁴ − 1.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let version = semver::Version::parse(text).map_err(|error| VersionError::Malformed(error.to_string()))?;
        if !version.pre.is_empty() {
            return Err(VersionError::PreRelease);
        }
        if !version.build.is_empty() {
            return Err(VersionError::BuildMetadata);
        }
        Ok(Self::new(version.major, version.minor, version.patch))
    }
}

/// Why a text is no [`SchemaVersion`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersionError {
    /// Not three numbers separated by dots; the text says what is wrong.
    Malformed(String),
    /// It has a pre-release part such as `-rc.1`.
    PreRelease,
    /// It has build metadata such as `+7`.
    BuildMetadata,
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(reason) => {
                write!(f, "a version is MAJOR.MINOR.PATCH, three numbers: {reason}")
            }
            Self::PreRelease => f.write_str("the version of a migration has no pre-release part"),
            Self::BuildMetadata => f.write_str("the version of a migration has no build metadata"),
        }
    }
}

impl std::error::Error for VersionError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_by_number_not_by_text() {
        let mut versions: Vec<SchemaVersion> =
            ["1.10.0", "1.9.0", "2.0.0", "1.9.10", "1.9.2"].iter().map(|text| text.parse().unwrap()).collect();
        versions.sort();
        let sorted: Vec<String> = versions.iter().map(ToString::to_string).collect();
        assert_eq!(sorted, ["1.9.0", "1.9.2", "1.9.10", "1.10.0", "2.0.0"]);
    }

    #[test]
    fn refuses_what_is_not_three_plain_numbers() {
        for text in ["", "1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.-1", "1.0.99999999999999999999"] {
            assert!(matches!(text.parse::<SchemaVersion>(), Err(VersionError::Malformed(_))), "{text}");
        }
        assert_eq!("1.0.0-rc.1".parse::<SchemaVersion>(), Err(VersionError::PreRelease));
        assert_eq!("1.0.0+7".parse::<SchemaVersion>(), Err(VersionError::BuildMetadata));
    }
}
