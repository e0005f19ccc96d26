//! `backup` and `restore`: a store with all that belongs to it in one archive, and back.

mod manifest;
mod restore;

pub use restore::restore;

use super::hashed::Hashed;
use super::reader;
use crate::cli::BackupArgs;
use crate::config::Config;
use crate::disk;
use crate::evidence::{self, size};
use crate::exit::{Exit, Failure};
use crate::output::{Output, hexadecimal};
use manifest::{EVIDENCE, Entry, Manifest, Missing, PARTS};
use ot_engine::words::number_of;
use ot_evidence::Folder;
use ot_store::read::Reader;
use ot_store::{AccessStore, EvidenceRow, wall_clock};
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Level of compression: a store of 490 MiB became an archive of 136 MiB.
const LEVEL: i32 = 3;

/// `backup`.
pub fn backup(output: &mut Output, args: &BackupArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let folder = evidence::folder(&Config::of(&args.store)?, reader.path());
    let sensor = reader.runs()?.pop().map_or_else(|| "ot-sensor".to_owned(), |run| run.sensor);
    let path = if args.to.is_dir() {
        let stamp: String = wall_clock().to_string().chars().filter(char::is_ascii_alphanumeric).take(15).collect();
        args.to.join(format!("{sensor}-{stamp}Z.tar.zst"))
    } else {
        args.to.clone()
    };
    if path.exists() && !args.force {
        return Err(
            Failure::usage(format!("{}: is there already; name another file, or add --force", path.display())).into()
        );
    }
    let manifest = write(&reader, &folder, &path)?;
    drop(reader);
    let length = fs::metadata(&path).map_or(0, |data| data.len());
    if args.output.json {
        output.json(&serde_json::json!({"file": path, "bytes": length, "manifest": manifest}))?;
        return Ok(Exit::Done);
    }
    output.line(&format!("{}: {}, {}", path.display(), told(&manifest), size(length)))?;
    for missing in &manifest.missing {
        output.line(&format!("without {}: {}", missing.name, missing.why))?;
    }
    output.line(&format!("check it:  ot-sensor restore --check {}", path.display()))?;
    Ok(Exit::Done)
}

/// What is in a backup, for a person.
fn told(manifest: &Manifest) -> String {
    let packets = manifest.files.iter().filter(|file| file.name.starts_with(EVIDENCE)).count();
    format!(
        "sensor {}, {}, {}, {}, {} of packets",
        if manifest.sensor.is_empty() { "unknown" } else { &manifest.sensor },
        number_of(manifest.alerts, "alert"),
        number_of(manifest.devices, "device"),
        number_of(manifest.events, "event"),
        number_of(u64::try_from(packets).unwrap_or(u64::MAX), "file"),
    )
}

/// A file or folder in the making: gone when it is dropped, unless it was kept.
struct Making {
    paths: Vec<PathBuf>,
}

impl Making {
    fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let making = Self { paths: paths.into_iter().collect() };
        making.clear();
        making
    }

    fn clear(&self) {
        for path in &self.paths {
            // What cannot be removed is told by what is done next.
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A path with something behind it.
fn behind(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Writes the backup of a store: beside the file first, then renamed.
fn write(reader: &Reader, folder: &Folder, path: &Path) -> anyhow::Result<Manifest> {
    let fail = |error: io::Error| {
        Failure::usage(format!("cannot write {}: {error}; name a file in a folder with room for it", path.display()))
    };
    let (part, copy, access) = (behind(path, ".part"), behind(path, ".store.part"), behind(path, ".access.part"));
    let making = Making::new([part.clone(), copy.clone(), access.clone()]);
    // The store, its numbers and the list of its packets are of one moment.
    reader.copy_to(&copy)?;
    let totals = reader.totals()?;
    let run = reader.runs()?.pop();
    let rows = reader.evidence_files()?;
    let newest = reader.newest()?;
    reader.end()?;
    let has_access = AccessStore::copy(reader.path(), &access)?;

    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).map_err(fail)?;
    let mut archive = Archive::new(file).map_err(fail)?;
    archive.file("store.db", &copy).map_err(fail)?;
    if has_access {
        archive.file("access.db", &access).map_err(fail)?;
    }
    for (name, end) in PARTS.iter().skip(2) {
        let beside = behind(reader.path(), end);
        if beside.is_file() {
            archive.file(name, &beside).map_err(fail)?;
        }
    }
    let mut missing = Vec::new();
    for row in &rows {
        let name = format!("{EVIDENCE}{}", row.name);
        match packets(folder, row) {
            Ok(bytes) => archive.bytes(&name, &bytes).map_err(fail)?,
            Err(why) => missing.push(Missing { name, why }),
        }
    }
    let manifest = Manifest {
        kind: manifest::KIND.to_owned(),
        layout: manifest::LAYOUT,
        made: wall_clock().to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        store_format: ot_store::VERSION,
        sensor: run.as_ref().map_or_else(String::new, |run| run.sensor.clone()),
        site: run.map_or_else(String::new, |run| run.site),
        newest_packet: newest.map(|time| time.to_string()),
        alerts: totals.alerts,
        devices: totals.devices,
        events: totals.events,
        files: std::mem::take(&mut archive.entries),
        missing,
    };
    let mut text = serde_json::to_vec_pretty(&manifest)?;
    text.push(b'\n');
    archive.bytes(manifest::NAME, &text).map_err(fail)?;
    archive.finish().and_then(|()| fs::rename(&part, path)).and_then(|()| sync_folder(path)).map_err(fail)?;
    drop(making);
    Ok(manifest)
}

/// Makes sure that a name is on the disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(disk::parent_of(path))?.sync_all()
}

/// The packets of an alert as the store tells of them. Since the copy was made more may have been put behind them.
fn packets(folder: &Folder, row: &EvidenceRow) -> Result<Vec<u8>, String> {
    let mut bytes = fs::read(folder.file(&row.name)).map_err(|error| error.to_string())?;
    if let Ok(length) = usize::try_from(row.bytes) {
        bytes.truncate(length);
    }
    if hexadecimal(&Sha256::digest(&bytes)) == row.sha256 {
        Ok(bytes)
    } else {
        Err("the file is not as the store tells of it".to_owned())
    }
}

/// What is written in the manifest of a file that passed.
fn entry<T>(name: &str, hashed: Hashed<T>) -> Entry {
    Entry { name: name.to_owned(), bytes: hashed.passed(), sha256: hashed.sha256() }
}

/// An archive in the making.
struct Archive {
    tar: tar::Builder<zstd::Encoder<'static, BufWriter<File>>>,
    entries: Vec<Entry>,
}

impl Archive {
    fn new(file: File) -> io::Result<Self> {
        let mut packed = zstd::Encoder::new(BufWriter::new(file), LEVEL)?;
        // The manifest, too, is held against something.
        packed.include_checksum(true)?;
        Ok(Self { tar: tar::Builder::new(packed), entries: Vec::new() })
    }

    fn header(length: u64) -> tar::Header {
        let mut header = tar::Header::new_ustar();
        header.set_size(length);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(wall_clock().epoch()).unwrap_or(0));
        header.set_uid(0);
        header.set_gid(0);
        header
    }

    fn bytes(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut hashed = Hashed::new(bytes);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.tar.append_data(&mut Self::header(length), name, &mut hashed)?;
        self.entries.push(entry(name, hashed));
        Ok(())
    }

    fn file(&mut self, name: &str, path: &Path) -> io::Result<()> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut hashed = Hashed::new(file.take(length));
        self.tar.append_data(&mut Self::header(length), name, &mut hashed)?;
        if hashed.passed() != length {
            return Err(io::Error::other(format!("{} became shorter while it was read", path.display())));
        }
        self.entries.push(entry(name, hashed));
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        let writer = self.tar.into_inner()?.finish()?;
        writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}
