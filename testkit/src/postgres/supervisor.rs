use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::address::clean_environment;
use super::binaries;

/// A shell that owns one server and its directory, and removes both when our end of its standard input closes.
///
/// Statics are not dropped and SIGKILL runs nothing, so the server's end cannot be left to this process. The pipe is
/// close-on-exec, as all that the standard library opens: programs that a test starts do not hold it open.
#[derive(Debug)]
pub(super) struct Supervisor {
    shell: Child,
    /// `None` once stopped.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    directory: PathBuf,
}

impl Supervisor {
    /// Creates the directory, with `settings` at the end of the server's configuration and `files`, which only the server
    /// may read, beside its data.
    pub(super) fn new(settings: &str, files: &[(&str, &str)], initdb: &[&str]) -> Self {
        // Not TMPDIR: the path of a unix socket is limited to about a hundred bytes, and the user that the server runs as
        // must be able to reach it.
        let directory = tempfile::Builder::new()
            .prefix("testkit-pg-")
            .tempdir_in("/tmp")
            .expect("cannot create a directory in /tmp: make it writable");
        let settings_path = directory.path().join("settings.conf");
        let script_path = directory.path().join("supervisor.sh");
        for (path, content) in [(&settings_path, settings), (&script_path, include_str!("supervisor.sh"))] {
            fs::write(path, content).expect("cannot write into a new directory in /tmp: is the disk full?");
        }

        let files: Vec<PathBuf> = files
            .iter()
            .map(|(name, content)| {
                let path = directory.path().join(name);
                let mut options = fs::OpenOptions::new();
                let file = options.write(true).create_new(true).mode(0o600).open(&path);
                file.and_then(|mut file| file.write_all(content.as_bytes()))
                    .expect("cannot write into a new directory in /tmp: is the disk full?");
                path
            })
            .collect();

        let mut command = Command::new("/bin/sh");
        command
            .args([&script_path, binaries::folder(), directory.path()])
            .args(initdb)
            .current_dir(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // So that the keyboard's interrupt reaches the tests only, and the server ends by the pipe as always.
            .process_group(0);
        clean_environment(&mut command);
        if let Some((uid, gid)) = other_user() {
            let own = [directory.path(), &settings_path, &script_path];
            for path in own.into_iter().chain(files.iter().map(PathBuf::as_path)) {
                chown(path, Some(uid), Some(gid))
                    .expect("root can give a file away: are the tests in a user namespace?");
            }
            command.uid(uid).gid(gid);
        }

        let mut shell = command.spawn().expect("cannot start /bin/sh");
        let orders = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().expect("the standard output was asked to be a pipe"));
        let mut supervisor = Self {
            shell,
            orders,
            answers,
            // From here on the shell removes it.
            directory: directory.keep(),
        };
        if !supervisor.order("create") {
            panic!("cannot create a PostgreSQL server:\n{}", supervisor.log());
        }
        supervisor
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// What initdb and the server wrote, for the message of a panic.
    pub(super) fn log(&self) -> String {
        let log = fs::read(self.directory.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Gives an order and waits for it to be done; says whether it was.
    pub(super) fn order(&mut self, order: &str) -> bool {
        let Some(orders) = &mut self.orders else {
            return false;
        };
        let mut answer = String::new();
        writeln!(orders, "{order}").is_ok() && self.answers.read_line(&mut answer).is_ok() && answer == "ok\n"
    }

    /// Stops the server and waits until it and the directory are gone.
    pub(super) fn stop(&mut self) {
        self.orders = None;
        let _ = self.shell.wait();
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The user to run a server as when we are root, which PostgreSQL refuses to run as.
pub(crate) fn other_user() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    let this = id(&["-u"]).expect("cannot run `id -u`: install coreutils");
    let user = |name: &str| Some((id(&["-u", name])?, id(&["-g", name])?));
    (this == 0).then(|| {
        user("postgres")
            .or_else(|| user("nobody"))
            .expect("PostgreSQL does not run as root: add a user `postgres`, or run the tests as another user")
    })
}
