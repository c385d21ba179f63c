//! What only shows when all migrations are looked at together.

use std::collections::{BTreeSet, VecDeque};

use super::{Folder, LoadOptions};
use crate::diagnostic::{Code, Diagnostic, SourceFile, listed};
use crate::metadata::Dependency;
use crate::migration::{Dialect, Role, Script, file_name};
use crate::name::METADATA;
use crate::version::SchemaVersion;

/// No version twice. The folders are sorted by version.
pub(super) fn check_versions(folders: &[Folder], found: &mut Vec<Diagnostic>) {
    for pair in folders.windows(2) {
        let [first, second] = pair else { continue };
        let version = second.name.version;
        if first.name.version != version {
            continue;
        }
        let message = format!("version {version} is taken by both `{}` and `{}`", first.title(), second.title());
        let help = format!(
            "rename the one that was not released yet, to `v{}_{}` for example",
            next_free(folders, version),
            second.name.name
        );
        found.push(second.whole(Code::DuplicateVersion, message).help(help));
    }
}

/// Every dependency is met by a lower migration, so the order of versions is one in which everything can run.
///
/// A version that a misnamed directory was `meant` to have counts as there: one mistake, one message.
pub(super) fn check_dependencies(folders: &[Folder], meant: &[SchemaVersion], found: &mut Vec<Diagnostic>) {
    for folder in folders {
        let (Some(metadata), Some(text)) = (&folder.metadata, &folder.metadata_text) else {
            continue;
        };
        for dependency in &metadata.dependencies {
            let is_meant = |it: &SchemaVersion| dependency.requirement.matches(&it.to_semver());
            if meant.iter().any(is_meant) {
                continue;
            }
            let Some((code, message, help)) = unmet(folders, folder, dependency) else {
                continue;
            };
            let path = folder.path(METADATA);
            let file = SourceFile { path: &path, text };
            let span = dependency.span.clone();
            found.push(Diagnostic::at(code, file, span, message).help(help));
        }
    }
}

/// Only the lowest migration stands for others: `migrate squash` leaves nothing below it.
pub(super) fn check_replaces(folders: &[Folder], found: &mut Vec<Diagnostic>) {
    for folder in folders.iter().skip(1) {
        let (Some(metadata), Some(text)) = (&folder.metadata, &folder.metadata_text) else {
            continue;
        };
        if metadata.settings.replaces.is_none() {
            continue;
        }
        let path = folder.path(METADATA);
        let file = SourceFile { path: &path, text };
        let message = format!("`{}` replaces others and is not the lowest migration of the set", folder.title());
        let help = "give what was added below it a version above it";
        found.push(Diagnostic::at(Code::InvalidReplaces, file, metadata.replaces_span.clone(), message).help(help));
    }
}

/// No migration needs a newer program than the one that embeds it.
pub(super) fn check_runtime(folders: &[Folder], shown: &str, options: &LoadOptions, found: &mut Vec<Diagnostic>) {
    let Some(text) = &options.runtime_version else {
        return;
    };
    let runtime = match semver::Version::parse(text) {
        Ok(runtime) => runtime,
        Err(error) => {
            let message = format!("`{text}` is not the version of a program: {error}");
            let help = "give MAJOR.MINOR.PATCH, as in Cargo.toml";
            found.push(Diagnostic::directory(Code::InvalidRuntimeVersion, shown, message).help(help));
            return;
        }
    };
    for folder in folders {
        let (Some(metadata), Some(source)) = (&folder.metadata, &folder.metadata_text) else {
            continue;
        };
        let Some(needed) = &metadata.settings.min_runtime_version else {
            continue;
        };
        let Ok(minimum) = semver::Version::parse(needed) else {
            continue;
        };
        if minimum.cmp_precedence(&runtime).is_le() {
            continue;
        }
        let path = folder.path(METADATA);
        let file = SourceFile { path: &path, text: source };
        let span = metadata.min_runtime_version_span.clone();
        let message = format!("`{}` needs version {needed} of the program, and this is {text}", folder.title());
        let help = format!("raise the version of the crate to {needed}, or lower `min_runtime_version` to {text}");
        found.push(Diagnostic::at(Code::RuntimeTooOld, file, span, message).help(help));
    }
}

/// The dialects that can run the whole set, as far as its files say.
pub(super) fn dialects(
    folders: &[Folder],
    shown: &str,
    options: &LoadOptions,
    found: &mut Vec<Diagnostic>,
) -> Vec<Dialect> {
    let mut with_up: Vec<&Folder> = Vec::new();
    for folder in folders {
        if folder.scripts.iter().any(|script| script.role == Role::Up) {
            with_up.push(folder);
        } else if !folder.has_misnamed("up.", found) {
            let message = format!("`{}` has no up script", folder.title());
            let help = match options.dialects.as_slice() {
                [dialect] => format!("add `up.sql` or `{}`", file_name(Role::Up, Some(*dialect))),
                _ => "add `up.sql`, or one for each database, such as `up.sqlite.sql`".to_owned(),
            };
            found.push(folder.whole(Code::MissingUp, message).help(help));
        }
    }
    let lacking = |dialect: Dialect| -> Vec<&Folder> {
        let lacks = |folder: &&Folder| !has(folder, Role::Up, dialect);
        with_up.iter().copied().filter(lacks).collect()
    };
    if !options.dialects.is_empty() {
        for dialect in options.dialects.iter().copied() {
            for folder in lacking(dialect) {
                let message = format!("`{}` has no up script for {dialect}", folder.title());
                let help = format!("add `{}` or `up.sql`", file_name(Role::Up, Some(dialect)));
                found.push(folder.whole(Code::MissingUpForDialect, message).help(help));
            }
        }
        return options.dialects.clone();
    }
    let supported: Vec<Dialect> = Dialect::ALL.into_iter().filter(|dialect| lacking(*dialect).is_empty()).collect();
    if supported.is_empty() {
        let parts = Dialect::ALL.map(|dialect| {
            let titles = listed(&lacking(dialect).into_iter().map(Folder::title).collect::<Vec<_>>());
            format!("{titles} for {dialect}")
        });
        let message =
            format!("no database can run the whole set: an up script is missing in {}", parts.join(" and in "));
        let help = "add the missing files for each database that the set is for";
        found.push(Diagnostic::directory(Code::NoCommonDialect, shown, message).help(help));
        return Dialect::ALL.to_vec();
    }
    for dialect in Dialect::ALL {
        if !supported.contains(&dialect) && with_up.iter().any(|folder| names(folder, dialect)) {
            let titles = listed(&lacking(dialect).into_iter().map(Folder::title).collect::<Vec<_>>());
            let message = format!("the set cannot run on {dialect}: an up script for it is missing in {titles}");
            let help = format!(
                "add the missing `{}`, or remove the other files for {dialect}",
                file_name(Role::Up, Some(dialect))
            );
            found.push(Diagnostic::directory(Code::PartialDialect, shown, message).help(help));
        }
    }
    supported
}

/// Every migration can be taken back, or says why not.
pub(super) fn check_way_back(folders: &[Folder], dialects: &[Dialect], found: &mut Vec<Diagnostic>) {
    for folder in folders {
        let Some(metadata) = &folder.metadata else {
            continue;
        };
        let title = folder.title();
        let is_lacking = |dialect: &&Dialect| has(folder, Role::Up, **dialect) && !has(folder, Role::Down, **dialect);
        let lacking: Vec<&Dialect> = dialects.iter().filter(is_lacking).collect();
        let has_down = folder.scripts.iter().any(|script| script.role == Role::Down);
        if metadata.settings.irreversible.is_some() {
            if has_down {
                let message = format!("`{title}` has a down script and says that it is irreversible");
                let help = "remove the one that is wrong";
                found.push(folder.whole(Code::IrreversibleDown, message).help(help));
            }
            continue;
        }
        let message = match lacking.as_slice() {
            [] => continue,
            [dialect] if has_down => format!("`{title}` has no down script for {dialect}"),
            _ => format!("`{title}` has no down script"),
        };
        let help = "add `down.sql`, or say why there is none: `\"irreversible\": \"...\"` in metadata.json";
        found.push(folder.whole(Code::MissingDown, message).help(help));
    }
}

/// Whether a script of a role is in effect on a dialect.
pub(super) fn has(folder: &Folder, role: Role, dialect: Dialect) -> bool {
    in_effect(folder, role, dialect).is_some()
}

/// The script in effect: the dialect's own file wins over the plain one.
pub(super) fn in_effect(folder: &Folder, role: Role, dialect: Dialect) -> Option<&Script> {
    let of = |wanted| {
        let is_it = |it: &&Script| it.role == role && it.dialect == wanted;
        folder.scripts.iter().find(is_it)
    };
    of(Some(dialect)).or_else(|| of(None))
}

/// Whether a file of the migration says that it is for a dialect: by its name, or as the plain file beside one for the
/// other dialect.
pub(super) fn names(folder: &Folder, dialect: Dialect) -> bool {
    let has_sibling = |role| {
        let is_other = |it: &Script| it.role == role && it.dialect.is_some_and(|it| it != dialect);
        folder.scripts.iter().any(is_other)
    };
    folder.scripts.iter().any(|script| match script.dialect {
        Some(named) => named == dialect,
        None => has_sibling(script.role),
    })
}

fn unmet(folders: &[Folder], folder: &Folder, dependency: &Dependency) -> Option<(Code, String, String)> {
    let version = folder.name.version;
    let matches = |it: &&Folder| dependency.requirement.matches(&it.name.version.to_semver());
    let matching: Vec<&Folder> = folders.iter().filter(matches).collect();
    if matching.iter().any(|it| it.name.version < version) {
        return None;
    }
    let text = &dependency.text;
    let lower = folders.iter().map(|it| it.name.version).filter(|it| *it < version).max();
    let help = match lower {
        Some(lower) => format!("depend on a lower version, such as `{lower}`"),
        None => format!("remove it: `{version}` is the lowest version of the set"),
    };
    let Some(later) = matching.last() else {
        let message = format!("`{}` depends on `{text}`, which no migration is", folder.title());
        return Some((Code::UnmetDependency, message, help));
    };
    let title = folder.title();
    if later.name.version == version {
        let message = format!("`{title}` depends on `{text}`, which only it is itself");
        return Some((Code::SelfDependency, message, help));
    }
    if let Some(path) = matching.iter().find_map(|next| way_back(folders, next, folder)) {
        let path: Vec<String> = path.into_iter().map(|it| format!("`{}`", it.title())).collect();
        let message = format!("`{title}` depends on `{text}`, in a cycle: `{title}` -> {}", path.join(" -> "));
        return Some((Code::CyclicDependency, message, help));
    }
    let message = format!("`{title}` depends on `{text}`, which comes after it");
    Some((Code::LaterDependency, message, help))
}

/// The shortest path of dependencies from one migration to another, both included.
fn way_back<'a>(folders: &'a [Folder], from: &'a Folder, to: &Folder) -> Option<Vec<&'a Folder>> {
    let mut paths = VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::from([from.name.version]);
    while let Some(path) = paths.pop_front() {
        let last = path.last()?;
        if last.name.version == to.name.version {
            return Some(path);
        }
        let dependencies = || last.metadata.iter().flat_map(|it| &it.dependencies);
        for next in folders {
            let version = next.name.version.to_semver();
            if dependencies().any(|it| it.requirement.matches(&version)) && seen.insert(next.name.version) {
                paths.push_back([path.as_slice(), &[next]].concat());
            }
        }
    }
    None
}

fn next_free(folders: &[Folder], taken: SchemaVersion) -> SchemaVersion {
    let mut version = taken;
    while folders.iter().any(|folder| folder.name.version == version) {
        version.patch = version.patch.saturating_add(1);
        if version.patch == u64::MAX {
            break;
        }
    }
    version
}
