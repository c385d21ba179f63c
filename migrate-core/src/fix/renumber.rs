//! A version that two branches took: the migration that was not released gives way, and those of its branch after it.

use std::collections::BTreeSet;

use super::{Left, Migration, directory};
use crate::fix::lock::Recorded;
use crate::version::SchemaVersion;

/// Gives new versions to those that have to give way. The migrations are sorted by version.
pub(super) fn resolve(
    migrations: &mut [Migration<'_>],
    recorded: &Recorded,
    asked: Option<&str>,
    left: &mut Vec<Left>,
) {
    let mut moving: BTreeSet<usize> = BTreeSet::new();
    let mut start = 0;
    while start < migrations.len() {
        let version = migrations[start].name.version;
        let end = migrations[start..].iter().take_while(|it| it.name.version == version).count() + start;
        if end - start > 1 {
            let released: Vec<usize> = (start..end).filter(|at| recorded.is_released(&migrations[*at].name)).collect();
            let asked = (start..end).find(|at| asked.is_some_and(|asked| is_meant(&migrations[*at], asked)));
            match (released.as_slice(), asked) {
                (_, Some(at)) if end - start == 2 => drop(moving.insert(at)),
                ([stays], None) => moving.extend((start..end).filter(|at| at != stays)),
                _ => {
                    let candidates: Vec<String> = migrations[start..end].iter().map(|it| directory(&it.name)).collect();
                    let last = candidates.last().cloned().unwrap_or_default();
                    let help =
                        format!("name the one that was not released: `migrate fix --renumber {last}`, or another");
                    left.push(Left::collision(version, &candidates, help));
                }
            }
        }
        start = end;
    }
    let Some(first) = moving.first().copied() else {
        return;
    };
    let side = recorded.side(&migrations[first].name);
    for at in first + 1..migrations.len() {
        let name = &migrations[at].name;
        let of_same_branch = match side {
            Some(side) => recorded.side(name) == Some(side),
            None => !recorded.is_released(name),
        };
        let collides = migrations.iter().filter(|it| it.name.version == name.version).count() > 1;
        // Of a collision it is decided already who gives way.
        if of_same_branch && !collides {
            moving.insert(at);
        }
    }
    let staying = (0..migrations.len()).filter(|at| !moving.contains(at)).map(|at| migrations[at].name.version);
    let mut last = staying.max();
    for at in moving {
        let version = migrations[at].name.version;
        let next = match last {
            Some(last) if version <= last => after(last),
            _ => version,
        };
        migrations[at].name.version = next;
        last = Some(next);
    }
}

fn is_meant(migration: &Migration<'_>, asked: &str) -> bool {
    let asked = asked.trim_end_matches('/').rsplit('/').next().unwrap_or(asked);
    migration.folder.name == asked || directory(&migration.name) == asked
}

fn after(version: SchemaVersion) -> SchemaVersion {
    match version.minor.checked_add(1) {
        Some(minor) => SchemaVersion::new(version.major, minor, 0),
        None => SchemaVersion::new(version.major, version.minor, version.patch.saturating_add(1)),
    }
}
