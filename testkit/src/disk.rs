//! Disks that are soon full, and how to fill them.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// A file system of its own in memory. It is gone when this is dropped, and also when the process ends in any other way.
#[derive(Debug)]
pub struct SmallDisk {
    shell: Child,
    /// Closing it takes the disk away.
    order: Option<ChildStdin>,
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many bytes, which only root may do.
    ///
    /// # Errors
    ///
    /// What `mount` said, where mounting is forbidden.
    ///
    /// # Panics
    ///
    /// When no directory can be made in /tmp.
    pub fn mount(size: usize) -> Result<Self, String> {
        let directory = tempfile::Builder::new()
            .prefix("testkit-disk-")
            .tempdir_in("/tmp")
            .expect("cannot create a directory in /tmp: make it writable");
        let mut shell = Command::new("/bin/sh")
            .args(["-c", concat!("exec 2>&1\n", include_str!("disk.sh")), "sh"])
            .arg(directory.path())
            .arg(size.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("cannot start /bin/sh");
        let order = shell.stdin.take();
        let mut said = BufReader::new(shell.stdout.take().expect("the standard output was asked to be a pipe"));
        // From here on the shell removes it.
        let disk = Self { shell, order, path: directory.keep() };
        let mut text = String::new();
        while !text.ends_with("ok\n") && !text.ends_with("failed\n") {
            let count = said.read_line(&mut text).expect("the shell writes UTF-8");
            assert!(count > 0, "the shell has ended: {text}");
        }
        if text.ends_with("ok\n") { Ok(disk) } else { Err(text) }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills it with a file of zeros until nothing more fits, then gives so many bytes back. The file stays until the
    /// result is dropped.
    ///
    /// # Panics
    ///
    /// When the file cannot be written for another reason than that the disk is full.
    pub fn fill(&self, leave: u64) -> Ballast {
        let path = self.path.join("ballast");
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        let error = loop {
            if let Err(error) = file.write_all(&[0; 4096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull, "{error}");
        let length = file.metadata().expect("an open file has metadata").len();
        let ballast = Ballast { path, file };
        ballast.file.set_len(length.saturating_sub(leave)).expect("a file can be made shorter");
        ballast
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.order = None;
        let _ = self.shell.wait();
    }
}

/// A file that takes up the room of a disk.
#[derive(Debug)]
pub struct Ballast {
    path: PathBuf,
    file: File,
}

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_and_free_again() {
        // Only root may mount; for anybody else there is nothing here to test.
        let disk = match SmallDisk::mount(1 << 20) {
            Ok(disk) => disk,
            Err(said) => return assert!(said.contains("mount"), "{said}"),
        };
        let file = disk.path().join("file");
        let ballast = disk.fill(8192);
        assert!(std::fs::write(&file, vec![1; 4096]).is_ok());
        assert!(std::fs::write(&file, vec![1; 16384]).is_err());
        drop(ballast);
        assert!(std::fs::write(&file, vec![1; 16384]).is_ok());
        let path = disk.path().to_owned();
        drop(disk);
        assert!(!path.exists());
    }
}
