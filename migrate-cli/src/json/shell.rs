//! `completions`, `man` and `config show`.

use serde::Serialize;

/// `completions`, `man`.
#[derive(Debug, Serialize)]
pub(crate) struct Text {
    pub(crate) text: String,
}

/// `config show`.
#[derive(Debug, Serialize)]
pub(crate) struct Config {
    pub(crate) outcome: &'static str,
    pub(crate) settings: Vec<ShownSetting>,
}

/// A setting, without secrets.
#[derive(Debug, Serialize)]
pub(crate) struct ShownSetting {
    pub(crate) name: &'static str,
    pub(crate) value: Option<String>,
    pub(crate) default: Option<&'static str>,
    pub(crate) source: &'static str,
    pub(crate) place: Option<String>,
    pub(crate) profile: Option<String>,
}
