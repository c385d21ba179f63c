//! What `pg_restore` writes for `psql`, without the transactions of its own that it puts around large objects: a commit
//! there would end ours half way.

use std::io::{self, BufRead, BufReader, Read, Write};

/// How much of a line is held at once; what is looked for is shorter.
const LONGEST: u64 = 64 << 10;

/// Copies a script. Rows of `COPY` are passed on as they are.
pub(super) fn copy(script: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut script = BufReader::with_capacity(LONGEST as usize, script);
    let mut filter = Filter::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        if script.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            return to.write_all(&filter.held);
        }
        filter.pass(&line, to)?;
    }
}

#[derive(Default)]
struct Filter {
    /// Whether the last part ended within a line.
    within: bool,
    in_rows: bool,
    /// `BEGIN;`, and an empty line, as long as it is not known what they begin.
    held: Vec<u8>,
    /// How many lines ago a large object was closed.
    closed: Option<u8>,
}

impl Filter {
    fn pass(&mut self, line: &[u8], to: &mut impl Write) -> io::Result<()> {
        let continues = std::mem::replace(&mut self.within, !line.ends_with(b"\n"));
        if continues {
            return to.write_all(line);
        }
        if self.in_rows {
            self.in_rows = line != b"\\.\n";
            return to.write_all(line);
        }
        let closed = self.closed.take();
        match line {
            b"BEGIN;\n" if self.held.is_empty() => {
                self.held.extend_from_slice(line);
                return Ok(());
            }
            b"\n" if self.held == b"BEGIN;\n" => {
                self.held.extend_from_slice(line);
                return Ok(());
            }
            b"\n" if closed == Some(0) => self.closed = Some(1),
            b"COMMIT;\n" if closed == Some(1) => return Ok(()),
            _ if line.starts_with(b"SELECT pg_catalog.lo_open(") => self.held.clear(),
            _ if line.starts_with(b"SELECT pg_catalog.lo_close(") => self.closed = Some(0),
            _ => self.in_rows = line.starts_with(b"COPY ") && line.ends_with(b" FROM stdin;\n"),
        }
        to.write_all(&self.held)?;
        self.held.clear();
        to.write_all(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(script: &str, expected: &str) {
        let mut copied = Vec::new();
        copy(&mut script.as_bytes(), &mut copied).unwrap();
        assert_eq!(String::from_utf8(copied).unwrap(), expected);
    }

    #[test]
    fn transactions_around_large_objects_are_left_out() {
        let object = "SELECT pg_catalog.lo_open('1', 131072);\nSELECT pg_catalog.lowrite(0, '\\x00');\nSELECT pg_catalog.lo_close(0);\n\n";
        check(&format!("a;\n\nBEGIN;\n\n{object}{object}COMMIT;\n\nb;\n"), &format!("a;\n\n{object}{object}\nb;\n"));
    }

    #[test]
    fn everything_else_stays() {
        for script in [
            "CREATE PROCEDURE p() LANGUAGE plpgsql AS $$\nBEGIN\nCOMMIT;\n\nCOMMIT;\nEND;$$;\n",
            "BEGIN;\n\nSELECT 1;\n",
            "BEGIN;\n",
            "COPY t (a) FROM stdin;\nBEGIN;\n\nSELECT pg_catalog.lo_open(1);\nSELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n\\.\nx;",
        ] {
            check(script, script);
        }
        let long = format!("COPY t (a) FROM stdin;\n{}\\.\n\\.\nBEGIN;\n\nrest", "x".repeat(LONGEST as usize));
        check(&long, &long);
    }
}
