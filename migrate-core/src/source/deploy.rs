//! What a rolling deploy needs of the set: minimums that rise where older programs would break, and steps that expand before
//! they contract.

use std::collections::BTreeSet;
use std::ops::Range;

use semver::Version;

use super::{Folder, LoadOptions};
use crate::diagnostic::{Code, Diagnostic, SourceFile};
use crate::metadata::Metadata;
use crate::migration::Phase;
use crate::name::METADATA;
use crate::version::SchemaVersion;

/// Checks the folders, which are sorted by version; gives back what was silenced.
pub(super) fn check(
    folders: &[Folder],
    options: &LoadOptions,
    found: &mut Vec<Diagnostic>,
) -> BTreeSet<(SchemaVersion, Code)> {
    let runtime = options.runtime_version.as_deref().and_then(|text| Version::parse(text).ok());
    let mut silenced = BTreeSet::new();
    let mut floor: Option<Version> = None;
    for (index, folder) in folders.iter().enumerate() {
        let (Some(metadata), Some(text)) = (&folder.metadata, &folder.metadata_text) else {
            continue;
        };
        let minimum = metadata.settings.min_runtime_version.as_deref().and_then(|text| Version::parse(text).ok());
        let path = folder.path(METADATA);
        let is_unread = found.iter().any(|it| it.code == Code::InvalidMinimum && it.path == path);
        let migration = Migration {
            title: folder.title(),
            metadata,
            before: &folders[..index],
            raises: is_unread || is_above(minimum.as_ref(), floor.as_ref()),
            minimum: minimum.as_ref(),
            floor: floor.as_ref(),
        };
        for (code, span, message, help) in migration.findings(folder.name.version, runtime.as_ref()) {
            if metadata.allow.contains_key(&code) {
                silenced.insert((folder.name.version, code));
                continue;
            }
            let file = SourceFile { path: &path, text };
            let span = if span.is_empty() { 0..1 } else { span };
            found.push(Diagnostic::at(code, file, span, message).help(help));
        }
        if migration.raises {
            floor = minimum.or(floor);
        }
    }
    silenced
}

type Finding = (Code, Range<usize>, String, String);

struct Migration<'a> {
    title: String,
    metadata: &'a Metadata,
    before: &'a [Folder],
    minimum: Option<&'a Version>,
    /// The highest minimum of those before it.
    floor: Option<&'a Version>,
    /// Whether its minimum is above that.
    raises: bool,
}

impl Migration<'_> {
    fn findings(&self, version: SchemaVersion, runtime: Option<&Version>) -> Vec<Finding> {
        let mut findings = Vec::new();
        let is_contract = self.metadata.settings.phase == Some(Phase::Contract);
        if is_contract {
            findings.extend(self.without_expand());
            findings.extend(self.without_minimum());
            findings.extend(runtime.and_then(|runtime| self.too_early(runtime)));
        }
        if self.metadata.settings.phase == Some(Phase::Expand) && self.minimum.is_some() && self.raises {
            let message = format!("`{}` expands, and raises the minimum: older programs could not go on", self.title);
            let help = "remove `min_runtime_version`, or the phase if older programs do break".to_owned();
            findings.push((Code::ExpandRaisesMinimum, self.minimum_span(), message, help));
        }
        let predecessor = self.before.last().map(|folder| folder.name.version);
        let is_major = predecessor.is_some_and(|before| version.major > before.major);
        if is_major && !is_contract && !self.raises {
            let message =
                format!("`{}` has a higher MAJOR than the one before it, and {}", self.title, self.as_before());
            let help = "raise `min_runtime_version` to the oldest program that still works, or number it as a MINOR";
            findings.push((Code::MajorWithoutMinimum, self.minimum_span(), message, help.to_owned()));
        }
        findings
    }

    /// A contract step names the step that made it possible.
    fn without_expand(&self) -> Option<Finding> {
        // What replaces others may hold the step that expands.
        let is_expand = |folder: &&Folder| {
            let settings = folder.metadata.as_ref().map(|it| &it.settings);
            settings.is_some_and(|it| it.phase == Some(Phase::Expand) || it.replaces.is_some())
        };
        let expands: Vec<&Folder> = self.before.iter().filter(is_expand).collect();
        let depends = |folder: &&Folder| {
            let version = folder.name.version.to_semver();
            self.metadata.dependencies.iter().any(|dependency| dependency.requirement.matches(&version))
        };
        if expands.iter().copied().any(|folder| depends(&folder)) {
            return None;
        }
        let message = format!("`{}` contracts, and depends on no step that expands", self.title);
        let help = match expands.last() {
            Some(last) => format!("name its expand step in `dependencies`, such as `\"{}\"`", last.name.version),
            None => "add the step that expands, with `\"phase\": \"expand\"`, and depend on it".to_owned(),
        };
        Some((Code::ContractWithoutExpand, self.metadata.phase_span.clone(), message, help))
    }

    fn without_minimum(&self) -> Option<Finding> {
        if self.raises {
            return None;
        }
        let message = format!("`{}` contracts, and {}", self.title, self.as_before());
        let help = "raise `min_runtime_version` to the oldest program that does without what is removed";
        let span = if self.minimum.is_some() { self.minimum_span() } else { self.metadata.phase_span.clone() };
        Some((Code::ContractWithoutMinimum, span, message, help.to_owned()))
    }

    /// The program before the one that contracts runs on while that one is rolled out. It must have been released with
    /// the minimum already, so the minimum is a lower release; a pre-release of the same version is none.
    fn too_early(&self, runtime: &Version) -> Option<Finding> {
        let minimum = self.minimum?;
        let release = |version: &Version| (version.major, version.minor, version.patch);
        // A minimum above the program is another mistake.
        if release(minimum) < release(runtime) || minimum.cmp_precedence(runtime).is_gt() {
            return None;
        }
        let message = format!(
            "`{}` contracts, and needs version {minimum} of the program, the one that is being built",
            self.title
        );
        let help = format!(
            "release {runtime} without it, and add it to the next version: until then {runtime} runs beside programs that need what is removed"
        );
        Some((Code::ContractTooEarly, self.minimum_span(), message, help))
    }

    fn minimum_span(&self) -> Range<usize> {
        self.metadata.min_runtime_version_span.clone()
    }

    fn as_before(&self) -> String {
        match self.floor {
            Some(floor) => format!("leaves the minimum version of the program at {floor}"),
            None => "asks for no minimum version of the program".to_owned(),
        }
    }
}

fn is_above(minimum: Option<&Version>, floor: Option<&Version>) -> bool {
    match (minimum, floor) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(minimum), Some(floor)) => minimum.cmp_precedence(floor).is_gt(),
    }
}
