//! `graph`: which migration depends on which.

mod svg;

use std::collections::BTreeSet;

use migrate_core::metadata::requirement;
use migrate_runtime::{Migration, Registry};

use crate::args::{GraphArgs, GraphFormat};
use crate::exit::Exit;
use crate::json::{Document, Graph, Node};
use crate::output::Printer;

pub(super) fn graph(args: &GraphArgs, registry: &Registry, printer: &Printer) -> Exit {
    let migrations: Vec<Node> = registry.migrations().iter().map(|migration| node(migration, registry)).collect();
    let document = Graph { migrations };
    printer.answer(&Document::new(&document), || match args.format {
        GraphFormat::Text => text(&document.migrations),
        GraphFormat::Dot => dot(&document.migrations),
        GraphFormat::Mermaid => mermaid(&document.migrations),
        GraphFormat::Svg => svg::svg(&document.migrations),
    });
    Exit::Done
}

/// A requirement that several lower migrations meet is an edge to the highest of them.
fn node(migration: &Migration, registry: &Registry) -> Node {
    let lower = || registry.migrations().iter().take_while(|other| other.version() < migration.version());
    let meant = migration.dependencies().iter().filter_map(|dependency| {
        let requirement = requirement(dependency).ok()?;
        lower().filter(|other| requirement.matches(&other.version().to_semver())).last().map(Migration::version)
    });
    let meant: BTreeSet<_> = meant.collect();
    Node {
        version: migration.version().to_string(),
        name: migration.name().to_owned(),
        depends_on: meant.iter().map(ToString::to_string).collect(),
    }
}

fn text(nodes: &[Node]) -> String {
    let lines = nodes.iter().map(|Node { version, name, depends_on }| {
        let needs = if depends_on.is_empty() { String::new() } else { format!("  needs {}", depends_on.join(", ")) };
        format!("{version} {name}{needs}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Versions and names hold nothing that either language takes for its own.
fn dot(nodes: &[Node]) -> String {
    let mut lines = vec!["digraph migrations {".to_owned(), "  rankdir = BT".to_owned()];
    for Node { version, name, .. } in nodes {
        lines.push(format!("  \"{version}\" [label = \"{version}\\n{name}\"]"));
    }
    for Node { version, depends_on, .. } in nodes {
        lines.extend(depends_on.iter().map(|other| format!("  \"{version}\" -> \"{other}\"")));
    }
    lines.push("}".to_owned());
    lines.join("\n")
}

fn mermaid(nodes: &[Node]) -> String {
    let id = |version: &str| format!("v{}", version.replace('.', "_"));
    let mut lines = vec!["graph BT".to_owned()];
    for Node { version, name, .. } in nodes {
        lines.push(format!("  {}[\"{version} {name}\"]", id(version)));
    }
    for Node { version, depends_on, .. } in nodes {
        lines.extend(depends_on.iter().map(|other| format!("  {} --> {}", id(version), id(other))));
    }
    lines.join("\n")
}
