//! The files of backups: private, checked while they are written, and complete once they have their name.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::file_error;
use super::manifest::Backup;
use crate::error::{Error, ErrorKind};

/// What the name of an unfinished file ends with.
pub(crate) const PARTIAL: &str = "partial";

/// How much is read or written at once.
const BLOCK: usize = 128 << 10;

/// A file that others of this machine cannot read, removed when dropped unless it was given its name.
#[derive(Debug)]
pub(crate) struct Partial {
    path: PathBuf,
    /// Locked as long as it is being written, so that nobody takes it for what a killed process left.
    file: File,
    kept: bool,
}

impl Partial {
    /// Makes an empty one.
    pub(crate) fn create(directory: &Path, name: &str) -> Result<Self, Error> {
        let path = directory.join(format!("{name}.{PARTIAL}"));
        let failed = |error| file_error("cannot write", &path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(failed)?;
        let partial = Self { path, file, kept: false };
        // Where files cannot be locked, what a killed process left is told by its age alone.
        let _ = partial.file.try_lock();
        Ok(partial)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name once everything is on the disk.
    pub(crate) fn keep(mut self, name: &str) -> Result<PathBuf, Error> {
        let path = self.path.with_file_name(name);
        self.file.sync_all().map_err(|error| file_error("cannot write", &self.path, error))?;
        std::fs::rename(&self.path, &path).map_err(|error| file_error("cannot rename", &self.path, error))?;
        self.kept = true;
        Ok(path)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // What cannot be removed is found by `migrate backup prune`.
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let mut path = self.path.clone().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A whole file that has no name yet.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) partial: Partial,
    pub(crate) sha256: String,
    pub(crate) size: u64,
    pub(crate) uncompressed_size: u64,
}

impl Written {
    /// Opens the contents.
    #[cfg(feature = "postgres")]
    pub(crate) fn open(&self, compressed: bool) -> Result<Box<dyn Read + Send>, Error> {
        open_file(self.partial.path(), compressed)
    }
}

/// Writes a file through compression and checksum.
pub(crate) struct Writer {
    partial: Partial,
    sink: Sink,
    uncompressed: u64,
}

enum Sink {
    Plain(Hashing),
    Compressed(Box<zstd::stream::write::Encoder<'static, Hashing>>),
}

impl Writer {
    pub(crate) fn create(directory: &Path, name: &str, compress: bool) -> Result<Self, Error> {
        let partial = Partial::create(directory, name)?;
        let failed = |error| file_error("cannot write", &partial.path, error);
        let hashing = Hashing { file: partial.file.try_clone().map_err(failed)?, digest: Sha256::new(), size: 0 };
        let sink = match compress {
            false => Sink::Plain(hashing),
            true => Sink::Compressed(Box::new(
                zstd::stream::write::Encoder::new(hashing, zstd::DEFAULT_COMPRESSION_LEVEL).map_err(failed)?,
            )),
        };
        Ok(Self { partial, sink, uncompressed: 0 })
    }

    /// Writes all of a stream.
    pub(crate) fn write_from(&mut self, source: &mut impl Read, from: &str) -> Result<(), Error> {
        let mut block = vec![0; BLOCK];
        loop {
            let read = match source.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(
                        Error::new(ErrorKind::Backup, format!("cannot read {from}: {error}")).with_source(error)
                    );
                }
            };
            self.uncompressed += read as u64;
            let sink: &mut dyn Write = match &mut self.sink {
                Sink::Plain(hashing) => hashing,
                Sink::Compressed(encoder) => encoder,
            };
            sink.write_all(&block[..read]).map_err(|error| file_error("cannot write", &self.partial.path, error))?;
        }
    }

    pub(crate) fn finish(self) -> Result<Written, Error> {
        let Self { partial, sink, uncompressed } = self;
        let failed = |error| file_error("cannot write", &partial.path, error);
        let hashing = match sink {
            Sink::Plain(hashing) => hashing,
            Sink::Compressed(encoder) => encoder.finish().map_err(failed)?,
        };
        partial.file.sync_all().map_err(failed)?;
        let (sha256, size) = (hexadecimal(&hashing.digest.finalize()), hashing.size);
        Ok(Written { partial, sha256, size, uncompressed_size: uncompressed })
    }
}

/// The contents of a backup as a file of their own.
pub(crate) type Extracted = Partial;

/// Checks that the file of a backup is the one that was written.
pub(crate) fn check(backup: &Backup) -> Result<(), Error> {
    let path = backup.path();
    let file = File::open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => damaged(backup, "its file is missing"),
        _ => file_error("cannot read", &path, error),
    })?;
    let (mut reader, mut digest, mut size) = (file, Sha256::new(), 0_u64);
    let mut block = vec![0; BLOCK];
    loop {
        let read = reader.read(&mut block).map_err(|error| file_error("cannot read", &path, error))?;
        if read == 0 {
            break;
        }
        size += read as u64;
        digest.update(&block[..read]);
    }
    if size != backup.size {
        return Err(damaged(backup, &format!("its file has {size} bytes and should have {}", backup.size)));
    }
    match hexadecimal(&digest.finalize()) == backup.sha256 {
        true => Ok(()),
        false => Err(damaged(backup, "its checksum is not the one in the manifest")),
    }
}

/// Opens the contents of a backup.
pub(crate) fn open(backup: &Backup) -> Result<Box<dyn Read + Send>, Error> {
    open_file(&backup.path(), backup.compressed)
}

fn open_file(path: &Path, compressed: bool) -> Result<Box<dyn Read + Send>, Error> {
    let failed = |error| file_error("cannot read", path, error);
    let file = File::open(path).map_err(failed)?;
    Ok(match compressed {
        false => Box::new(file),
        true => Box::new(zstd::stream::read::Decoder::new(file).map_err(failed)?),
    })
}

/// Writes the contents of a backup into a file of their own.
#[cfg_attr(all(feature = "postgres", not(feature = "sqlite")), expect(dead_code, reason = "only SQLite needs it"))]
pub(crate) fn extract(backup: &Backup) -> Result<Extracted, Error> {
    super::directory::check_room(&backup.directory, backup.uncompressed_size)?;
    let random = super::directory::random();
    let partial = Partial::create(&backup.directory, &format!("{}-{random:08x}", backup.id))?;
    let mut contents = open(backup)?;
    let mut file = &partial.file;
    let mut block = vec![0; BLOCK];
    loop {
        let read = contents.read(&mut block).map_err(|error| damaged(backup, &error.to_string()))?;
        if read == 0 {
            return Ok(partial);
        }
        file.write_all(&block[..read]).map_err(|error| file_error("cannot write", &partial.path, error))?;
    }
}

/// The error of a backup that must not be restored.
pub(crate) fn damaged(backup: &Backup, problem: &str) -> Error {
    let message = format!("the backup {} (`{}`) is damaged: {problem}", backup.id, backup.path().display());
    Error::new(ErrorKind::Backup, message).with_help("look for another one with `migrate backup list`")
}

/// Computes a checksum of what goes through.
struct Hashing {
    file: File,
    digest: Sha256,
    size: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
