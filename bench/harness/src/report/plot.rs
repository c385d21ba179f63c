//! Charts of horizontal bars, as SVG.

use std::fmt::Write;

/// A chart: groups of bars.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) title: &'static str,
    pub(crate) groups: Vec<Group>,
    /// Whether the length of a bar is the logarithm of its value.
    pub(crate) logarithmic: bool,
}

/// The bars of one program.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) bars: Vec<Bar>,
}

/// A value.
#[derive(Debug)]
pub(crate) struct Bar {
    /// What it has in common with the bars of its colour in other groups.
    pub(crate) series: &'static str,
    pub(crate) value: f64,
    /// The value in words.
    pub(crate) label: String,
}

const COLOURS: [&str; 3] = ["#3b6ea5", "#e0873e", "#5b9a5b"];
const WIDTH: f64 = 760.0;
/// Where bars begin.
const LEFT: f64 = 150.0;
/// How long the longest is.
const LONGEST: f64 = 500.0;
const BAR: f64 = 15.0;
const GAP: f64 = 9.0;
const TOP: f64 = 62.0;

impl Chart {
    /// The picture. Groups without a bar are left out.
    pub(crate) fn svg(&self) -> String {
        let groups: Vec<&Group> = self.groups.iter().filter(|group| !group.bars.is_empty()).collect();
        let series = self.series();
        let mut body = String::new();
        let mut y = TOP;
        for group in &groups {
            let mut height = 0.0;
            for bar in &group.bars {
                let colour = series.iter().position(|name| *name == bar.series).unwrap_or(0);
                self.bar(&mut body, y + height, bar, COLOURS[colour % COLOURS.len()]);
                height += BAR;
            }
            let middle = y + height / 2.0 + 4.0;
            let _ = writeln!(body, "{}", text(LEFT - 8.0, middle, "end", &group.name));
            y += height + GAP;
        }
        let mut x = LEFT;
        for (index, name) in series.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let _ = writeln!(body, r#"<rect x="{x}" y="36" width="11" height="11" fill="{colour}"/>"#);
            let _ = writeln!(body, "{}", text(x + 16.0, 46.0, "start", name));
            x += 150.0;
        }
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" viewBox=\"0 0 {WIDTH} {y}\" \
             font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
             <text x=\"12\" y=\"22\" font-size=\"14\" font-weight=\"bold\">{}</text>\n{body}</svg>\n",
            self.title
        )
    }

    fn bar(&self, body: &mut String, y: f64, bar: &Bar, colour: &str) {
        let length = self.length(bar.value);
        let height = BAR - 2.0;
        let _ = writeln!(body, r#"<rect x="{LEFT}" y="{y}" width="{length:.1}" height="{height}" fill="{colour}"/>"#);
        let _ = writeln!(body, "{}", text(LEFT + length + 5.0, y + height - 2.0, "start", &bar.label));
    }

    fn length(&self, value: f64) -> f64 {
        let values = || self.groups.iter().flat_map(|group| &group.bars).map(|bar| bar.value.max(1e-3));
        let most = values().fold(1e-3, f64::max);
        if !self.logarithmic {
            return value.max(0.0) / most * LONGEST;
        }
        // The least value keeps a bar that can be seen.
        let least = values().fold(f64::INFINITY, f64::min) / 2.0;
        (value.max(1e-3) / least).ln() / (most / least).ln() * LONGEST
    }

    fn series(&self) -> Vec<&'static str> {
        let mut series = Vec::new();
        for bar in self.groups.iter().flat_map(|group| &group.bars) {
            if !series.contains(&bar.series) {
                series.push(bar.series);
            }
        }
        series
    }
}

fn text(x: f64, y: f64, anchor: &str, content: &str) -> String {
    format!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{content}</text>"#)
}
