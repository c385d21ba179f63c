//! Pass files, as libpq reads them: lines `host:port:database:user:password`, the first that fits counts.

use std::fs;
use std::io::ErrorKind as IoErrorKind;
use std::path::Path;

use crate::error::{Error, ErrorKind};

/// For whom a password is wanted.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) host: &'a str,
    pub(super) port: &'a str,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The password for all of these hosts. A file that is not there has none, unless it was asked for by name.
pub(super) fn password(path: &Path, named: bool, wanted: &[Wanted<'_>]) -> Result<Option<Vec<u8>>, Error> {
    match fs::metadata(path) {
        Err(error) if error.kind() == IoErrorKind::NotFound && !named => return Ok(None),
        // As libpq: `/dev/null` says that there is none.
        Ok(metadata) if !metadata.is_file() => return Ok(None),
        _ => {}
    }
    check_private(path, "pass file")?;
    let text = fs::read(path).map_err(|error| unreadable(path, "pass file", &error))?;
    let mut found = wanted.iter().map(|wanted| find(&text, wanted));
    let first = found.next().flatten();
    if found.any(|other| other != first) {
        return Err(Error::new(
            ErrorKind::Configuration,
            format!("the pass file {} has different passwords for the hosts of the URL", path.display()),
        )
        .with_help("several hosts need one password: write it into the URL or PGPASSWORD"));
    }
    Ok(first)
}

/// Refuses a file with a secret that other users of the machine can read.
pub(super) fn check_private(path: &Path, what: &str) -> Result<(), Error> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, what, &error))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(Error::new(
                ErrorKind::Configuration,
                format!(
                    "the {what} {} can be read by other users (mode {:o})",
                    path.display(),
                    metadata.permissions().mode() & 0o777
                ),
            )
            .with_help(format!("run `chmod 600 {}`", path.display())));
        }
    }
    #[cfg(not(unix))]
    let _ = metadata;
    Ok(())
}

pub(super) fn unreadable(path: &Path, what: &str, error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Configuration, format!("the {what} {} cannot be read: {error}", path.display()))
        .with_help(format!("name another {what} in the URL or its environment variable, or mend this one"))
}

fn find(text: &[u8], wanted: &Wanted<'_>) -> Option<Vec<u8>> {
    text.split(|byte| *byte == b'\n').find_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") {
            return None;
        }
        let fields = fields(line);
        let [host, port, database, user, password] = &*fields else {
            return None;
        };
        let fits = |field: &Vec<u8>, value: &str| field == b"*" || field == value.as_bytes();
        let all = fits(host, wanted.host)
            && fits(port, wanted.port)
            && fits(database, wanted.database)
            && fits(user, wanted.user);
        all.then(|| password.clone())
    })
}

/// The five fields; `\:` and `\\` stand for the characters themselves, and the last one goes to the end of the line.
fn fields(line: &[u8]) -> Vec<Vec<u8>> {
    let mut fields = vec![Vec::new()];
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        let last = fields.len() == 5;
        let field = fields.last_mut().expect("there is always a field");
        match byte {
            b'\\' => field.extend(bytes.next()),
            b':' if !last => fields.push(Vec::new()),
            _ => field.push(byte),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let wanted = Wanted { host: "db", port: "5432", database: "shop", user: "app" };
        let found = find(text.as_bytes(), &wanted).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(found.as_deref(), expected, "{text}");
    }

    #[test]
    fn the_first_line_that_fits() {
        check("db:5432:shop:app:one\n*:*:*:*:two", Some("one"));
        check("# db:5432:shop:app:one\ndb:5433:shop:app:no\n*:*:*:app:two\r\n", Some("two"));
        check("db:5432:shop:other:one\n\nnonsense\n", None);
    }

    #[test]
    fn colons_and_backslashes() {
        check(r"db:5432:shop:app:a\:b\\c", Some(r"a:b\c"));
        check("db:5432:shop:app:a:b", Some("a:b"));
        check(r"d\b:5432:shop:app:x", Some("x"));
    }
}
