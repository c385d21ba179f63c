//! A program that registers as running: `running-program DIRECTORY VERSION URL`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use migrate_runtime::InstanceOptions;
use system_tests::running::Program;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, version, url] = &arguments[..] else {
        say("usage: running-program DIRECTORY VERSION URL");
        return ExitCode::from(64);
    };
    let options = InstanceOptions {
        heartbeat: Duration::from_millis(200),
        expiry: Duration::from_secs(2),
        ..InstanceOptions::default()
    };
    match Program::new(Path::new(directory), version, url).register(options) {
        Ok(_instance) => {
            say("registered");
            loop {
                std::thread::park();
            }
        }
        Err(error) => {
            say(&format!("refused: {error}"));
            ExitCode::from(2)
        }
    }
}

fn say(line: &str) {
    // When nobody reads it there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{line}");
}
