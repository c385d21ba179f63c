//! For build scripts: the set of migrations that a program embeds is chosen by the environment, and macros want a literal.

use std::path::Path;
use std::{env, fs, io};

/// The variable with the absolute path of the set of migrations, in the layout of the tool.
pub const VARIABLE: &str = "BENCH_SET";

/// Writes `$OUT_DIR/embed.rs`, which the program includes: what `code` makes of the path, as a literal of Rust. Without the
/// variable, as in an editor, it is that of `fallback`, or of an empty folder.
///
/// # Errors
///
/// When the file cannot be written, or cargo did not start this program.
pub fn write(fallback: Option<&str>, code: impl Fn(&str) -> String) -> io::Result<()> {
    let output = env::var("OUT_DIR").map_err(io::Error::other)?;
    let set = if let Ok(set) = env::var(VARIABLE) {
        set
    } else if let Some(fallback) = fallback {
        fallback.to_owned()
    } else {
        let empty = Path::new(&output).join("empty");
        fs::create_dir_all(&empty)?;
        empty.display().to_string()
    };
    cargo(&format!("rerun-if-env-changed={VARIABLE}"));
    cargo(&format!("rerun-if-changed={set}"));
    fs::write(Path::new(&output).join("embed.rs"), code(&format!("{set:?}")))
}

fn cargo(instruction: &str) {
    use io::Write;
    // Where cargo does not listen any more, there is nobody to tell.
    let _ = writeln!(io::stdout(), "cargo::{instruction}");
}
