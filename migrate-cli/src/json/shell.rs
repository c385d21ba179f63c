//! `completions`, `man` and `config show`.

use serde::Serialize;

/// `completions`, `man`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Text {
    pub(crate) text: String,
}

/// `config show`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Config {
    #[cfg_attr(test, schemars(extend("enum" = ["shown"])))]
    pub(crate) outcome: &'static str,
    pub(crate) settings: Vec<ShownSetting>,
}

/// A setting, without secrets.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ShownSetting {
    pub(crate) name: &'static str,
    pub(crate) value: Option<String>,
    pub(crate) default: Option<&'static str>,
    #[cfg_attr(test, schemars(extend("enum" = ["flag", "environment", "dot_env", "file", "default"])))]
    pub(crate) source: &'static str,
    pub(crate) place: Option<String>,
    pub(crate) profile: Option<String>,
}
