//! `new --from`: a migration that was kept for later becomes the next one of the set.

use std::fs;
use std::path::Path;

use migrate_core::metadata;
use migrate_core::migration::METADATA;
use migrate_core::name::LOCK;

use super::{cannot_write, check_name, check_version, existing, versions};
use crate::args::NewArgs;
use crate::commands::lock;
use crate::error::Error;
use crate::exit::Exit;
use crate::json::{self, Document};
use crate::output::Printer;

pub(super) fn take(args: &NewArgs, from: &Path, directory: &Path, printer: &Printer) -> Result<Exit, Error> {
    let path = from.join(METADATA);
    let text = fs::read_to_string(&path).map_err(|error| {
        Error::usage(
            format!("cannot read {}: {error}", path.display()),
            "name the directory of the migration that was kept for later",
        )
    })?;
    let name = name(args, &text, from)?;
    check_name(&name)?;
    let minimum = args.min_runtime_version.as_ref().map(ToString::to_string);
    let contracts = metadata::text_of(&text, "phase").as_deref() == Some("contract");
    if contracts && minimum.is_none() && metadata::text_of(&text, "min_runtime_version").is_none() {
        return Err(Error::usage(
            format!("`{name}` contracts, and says of no program that it does without what is removed"),
            "name the oldest one with `--min-runtime-version`",
        ));
    }
    let existing = existing(directory)?;
    let version = versions(args, &existing, 1)?[0];
    check_version(args, version, &existing, printer)?;
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut set = vec![("version", quoted(&version.to_string())), ("name", quoted(&name))];
    set.extend(minimum.map(|minimum| ("min_runtime_version", quoted(&minimum))));
    let set: Vec<(&str, &str)> = set.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let text = metadata::rewritten(&text, &set).ok_or_else(|| {
        Error::directory(format!("{} is no JSON object", path.display()), "correct it, or write the migration anew")
    })?;
    let folder = directory.join(format!("v{version}_{name}"));
    if folder.exists() {
        return Err(Error::failed(format!("{} is there already", folder.display())));
    }
    fs::write(&path, text).map_err(|error| cannot_write(from, &error))?;
    fs::rename(from, &folder).map_err(|error| cannot_write(&folder, &error))?;
    if let Some(later) = from.parent() {
        // It stays when there is more in it.
        let _ = fs::remove_dir(later);
    }
    lock::add(directory, version)?;
    let mut document = json::New::of(version, &name);
    document.add(Some(version), &name, &folder, &[]);
    printer.answer(&Document::new(document), || {
        format!(
            "moved {} to {}\nwrote {}; next: `migrate validate`, then `migrate up --phase contract`",
            from.display(),
            folder.display(),
            directory.join(LOCK).display()
        )
    });
    Ok(Exit::Done)
}

/// As typed, else as its metadata says, else as its directory is called.
fn name(args: &NewArgs, text: &str, from: &Path) -> Result<String, Error> {
    let typed = match (args.words.as_slice(), &args.name) {
        ([], name) => name.clone(),
        ([name], None) => Some(name.clone()),
        _ => return Err(Error::usage("`--from` takes one name at most", "leave the names out")),
    };
    let called = from.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(typed.or_else(|| metadata::text_of(text, "name")).or(called).unwrap_or_default())
}
