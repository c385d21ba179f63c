use migrate_runtime::SchemaVersion;

use super::*;

/// A grid of verdicts by their exit codes, a row a word.
fn matrix(rows: &str) -> Matrix {
    let cells = |word: &str| -> Vec<Cell> {
        let verdicts = word.chars().map(|digit| match digit {
            '0' => Verdict::Compatible,
            '1' => Verdict::NeedsMigration,
            _ => Verdict::Incompatible,
        });
        verdicts.map(|verdict| Cell { verdict, reasons: Vec::new() }).collect()
    };
    let own = Assessment {
        verdict: Verdict::Compatible,
        runtime_version: None,
        database_version: Some(SchemaVersion::new(1, 1, 0)),
        migrating: None,
        migrations: Vec::new(),
        reasons: Vec::new(),
    };
    let program =
        |minor| Program { version: Some(migrate_runtime::Version::new(1, minor, 0)), own: minor == 1, holds: 0 };
    let schemas = (0..)
        .zip(rows.split(' '))
        .map(|(minor, word)| migrate_runtime::Schema { version: SchemaVersion::new(1, minor, 0), cells: cells(word) });
    Matrix {
        database: vec![own.clone(), own.clone()],
        own,
        minimums: Vec::new(),
        programs: vec![program(0), program(1)],
        schemas: schemas.collect(),
    }
}

#[test]
fn schemas_that_are_alike_share_a_row() {
    let grid = Grid::of(&matrix("11 11 11 01 20 20"));
    assert_eq!(grid.columns, ["1.0.0", "1.1.0 (this)"]);
    let labels: Vec<&str> = grid.rows.iter().map(|row| &*row.label).collect();
    assert_eq!(labels, ["1.0.0 to 1.2.0", "1.3.0", "1.4.0 to 1.5.0", "database (1.1.0)"]);
}

#[test]
fn a_drawing_says_in_words_what_its_colours_say_and_escapes_what_it_is_told() {
    let mut grid = Grid::of(&matrix("12"));
    grid.rows[0].cells[1].why = vec!["needs <\"2\" & more>".to_owned()];
    let drawing = svg::svg(&grid);
    for part in ["<title>incompatible; needs &lt;&quot;2&quot; &amp; more&gt;</title>", ">needs migration</text>"] {
        assert!(drawing.contains(part), "{drawing}");
    }
    assert!(!drawing.contains("<\"2\""), "{drawing}");
}
