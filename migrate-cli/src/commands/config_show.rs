//! `config show`: each setting, its value, and who says so.

use migrate_runtime::AnyDatabase;

use crate::configuration::{Configuration, Source, Value};
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::{Printer, table};
use crate::settings::{Kind, SETTINGS, Setting};

/// `program` says whether it is the program `migrate`, which has more settings.
pub(super) fn show(configuration: &Configuration, program: bool, printer: &Printer) -> Exit {
    let settings = SETTINGS.iter().filter(|setting| program || !setting.program_only);
    let shown: Vec<json::ShownSetting> = settings.map(|setting| shown(setting, configuration)).collect();
    let document = json::Config { outcome: "shown", settings: shown };
    printer.answer(&Document::new(&document), || text(&document.settings));
    Exit::Done
}

fn shown(setting: &'static Setting, configuration: &Configuration) -> json::ShownSetting {
    let value = configuration.value(setting.key);
    let profile = match value.map(|value| &value.source) {
        Some(Source::File { profile, .. }) => profile.clone(),
        _ => None,
    };
    json::ShownSetting {
        name: setting.name,
        value: value.map(|value| without_secrets(setting, value)),
        default: setting.default,
        source: value.map_or("default", |value| value.source.kind()),
        place: value.map(|value| value.source.to_string()),
        profile,
    }
}

fn without_secrets(setting: &Setting, value: &Value) -> String {
    // No database can be opened by this one, only a scratch database made.
    if setting.kind != Kind::Url || value.text == "sqlite::memory:" {
        return value.text.clone();
    }
    // What cannot be understood may hold a password anywhere.
    AnyDatabase::from_url(&value.text).map_or_else(|_| "(not a usable URL)".to_owned(), |database| database.to_string())
}

fn text(settings: &[json::ShownSetting]) -> String {
    let rows = settings.iter().map(|setting| {
        let value = match (&setting.value, setting.default) {
            (Some(value), _) => value.clone(),
            (None, Some(default)) => format!("({default})"),
            (None, None) => "(none)".to_owned(),
        };
        let place = setting.place.as_deref().unwrap_or("default").trim_start_matches("the environment variable ");
        let profile = setting.profile.as_ref().map(|profile| format!(", profile {profile}")).unwrap_or_default();
        vec![setting.name.to_owned(), value, format!("{place}{profile}")]
    });
    table(&["setting", "value", "from"], &[], rows)
}
