//! The graph as a picture: the migrations below each other, lowest version first, and an arc from each to what it needs.

use crate::json::Node;

const ROW: usize = 44;
const HEIGHT: usize = 30;
const MARGIN: usize = 16;
/// What one character of the font takes at most.
const CHARACTER: usize = 9;

/// Versions and names hold nothing that XML takes for its own.
pub(super) fn svg(nodes: &[Node]) -> String {
    let title = |node: &Node| format!("{} {}", node.version, node.name);
    let longest = nodes.iter().map(|node| title(node).len()).max().unwrap_or_default();
    let arcs: Vec<(usize, usize)> = nodes.iter().enumerate().flat_map(|(at, node)| edges(nodes, at, node)).collect();
    let widest = arcs.iter().map(|(from, to)| reach(from - to)).max().unwrap_or_default();
    let left = MARGIN + widest;
    let width = left + longest * CHARACTER + 2 * MARGIN;
    let height = nodes.len() * ROW + MARGIN;
    let top = |at: usize| MARGIN / 2 + at * ROW;
    let middle = |at: usize| top(at) + HEIGHT / 2;
    let mut lines = vec![
        format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" font-family=\"monospace\" font-size=\"14\">"),
        "<style>rect, path { fill: none; stroke: #57606a; } text, polygon { fill: #1f2328; } @media (prefers-color-scheme: dark) { rect, path { stroke: #8b949e; } text, polygon { fill: #e6edf3; } }</style>".to_owned(),
    ];
    for (at, node) in nodes.iter().enumerate() {
        let (x, y) = (left + MARGIN / 2, middle(at) + 5);
        let box_width = width - left - MARGIN / 2;
        lines
            .push(format!("<rect x=\"{left}\" y=\"{}\" width=\"{box_width}\" height=\"{HEIGHT}\" rx=\"6\"/>", top(at)));
        lines.push(format!("<text x=\"{x}\" y=\"{y}\">{}</text>", title(node)));
    }
    for (from, to) in arcs {
        let bulge = left - reach(from - to);
        // The arrow ends below the middle, so that what comes in and what goes out can be told apart.
        let (start, end) = (middle(from) - 5, middle(to) + 5);
        lines.push(format!("<path d=\"M {left} {start} C {bulge} {start}, {bulge} {end}, {left} {end}\"/>"));
        lines.push(format!("<polygon points=\"{left},{end} {0},{1} {0},{2}\"/>", left - 8, end - 4, end + 4));
    }
    lines.push("</svg>".to_owned());
    lines.join("\n")
}

/// Each migration and one that it needs, by their places.
fn edges(nodes: &[Node], at: usize, node: &Node) -> impl Iterator<Item = (usize, usize)> {
    let needed = node.depends_on.iter().filter_map(|version| nodes.iter().position(|it| it.version == *version));
    needed.map(move |to| (at, to)).collect::<Vec<_>>().into_iter()
}

/// How far to the left an arc over this many rows is drawn.
fn reach(rows: usize) -> usize {
    24 + 12 * rows.min(20)
}
