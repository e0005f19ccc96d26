//! `restore`: unpacks beside the store, checks all of it, and only then puts it into its place.

use super::super::hashed::Hashed;
use super::manifest::{self, EVIDENCE, Entry, Manifest, PARTS};
use super::{Making, behind, sync_folder, told};
use crate::cli::RestoreArgs;
use crate::config::Config;
use crate::disk;
use crate::evidence;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use ot_store::read::Reader;
use ot_store::{AccessStore, Depth, EngineLock, Store, StoreError};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Of a manifest: more than any has.
const MOST_MANIFEST: u64 = 256 << 20;
/// Files of packets: more than any store tells of.
const MOST_FILES: usize = 4_000_000;

/// Where a backup is unpacked, and to where it goes.
struct Places {
    store: PathBuf,
    evidence: PathBuf,
    /// What stands behind both while it is not checked yet.
    end: &'static str,
}

impl Places {
    fn part(&self, end: &str) -> PathBuf {
        behind(&self.store, end)
    }

    fn staged_store(&self) -> PathBuf {
        behind(&self.store, self.end)
    }

    fn staged_evidence(&self) -> PathBuf {
        behind(&self.evidence, self.end)
    }

    /// All that unpacking and checking may leave.
    fn staged(&self) -> Vec<PathBuf> {
        let store = self.staged_store();
        let ends = PARTS.iter().map(|(_, end)| *end).chain(["-wal", "-shm", ".access-wal", ".access-shm"]);
        ends.map(|end| behind(&store, end)).chain([self.staged_evidence()]).collect()
    }
}

/// `restore`.
pub fn restore(output: &mut Output, args: &RestoreArgs) -> anyhow::Result<Exit> {
    let config = Config::of(&args.store)?;
    let store = config.store_path(&args.store);
    let evidence = evidence::folder(&config, &store).path().to_owned();
    if args.check {
        // Beside the archive: what is checked there may be as large as the archive is unpacked.
        let places = Places {
            store: behind(&args.from, ".check"),
            evidence: behind(&args.from, ".check.evidence"),
            end: ".part",
        };
        let making = Making::new(places.staged());
        let manifest = unpack(&args.from, &places)?;
        sound(&args.from, &places, &manifest)?;
        drop(making);
        return tell(output, args, &manifest, &format!("{}: whole and sound", args.from.display()), &[]);
    }
    let places = Places { store, evidence, end: ".restoring" };
    if fs::symlink_metadata(&places.store).is_ok() && !args.force {
        return Err(Failure::usage(format!(
            "store {}: is there already; give another with --store, or add --force to put the backup in its place (the old one is \
             kept as {})",
            places.store.display(),
            behind(&places.store, ".old").display()
        ))
        .into());
    }
    let parent = disk::parent_of(&places.store);
    if !parent.is_dir() {
        return Err(StoreError::NoParent { path: places.store.clone(), parent: parent.to_owned() }.into());
    }
    let _lock = EngineLock::take(&places.store)?;
    if let pid @ Some(_) = ot_store::forwarder_of(&places.store) {
        return Err(StoreError::ForwarderRuns { path: places.store, pid }.into());
    }
    let making = Making::new(places.staged());
    let manifest = unpack(&args.from, &places)?;
    sound(&args.from, &places, &manifest)?;
    let kept = put(&places, &manifest)?;
    drop(making);
    tell(output, args, &manifest, &format!("restored into {}", places.store.display()), &kept)
}

fn tell(
    output: &mut Output,
    args: &RestoreArgs,
    manifest: &Manifest,
    done: &str,
    kept: &[PathBuf],
) -> anyhow::Result<Exit> {
    if args.output.json {
        output.json(&serde_json::json!({
            "file": args.from, "restored": !args.check, "kept": kept, "manifest": manifest
        }))?;
        return Ok(Exit::Done);
    }
    output.line(done)?;
    output.line(&format!("made {} by version {}: {}", manifest.made, manifest.version, told(manifest)))?;
    for missing in &manifest.missing {
        output.line(&format!("without {}: {}", missing.name, missing.why))?;
    }
    for path in kept {
        output.line(&format!("what was there is kept: {}", path.display()))?;
    }
    Ok(Exit::Done)
}

/// Unpacks an archive and holds each file against the manifest.
fn unpack(path: &Path, places: &Places) -> anyhow::Result<Manifest> {
    let wrong = |what: String| Failure::input(format!("backup {}: {what}; use another backup", path.display()));
    let no_archive = |error: io::Error| wrong(format!("is no archive of `ot-sensor backup`, or was cut ({error})"));
    let file = File::open(path)
        .map_err(|error| Failure::input(format!("backup {}: {error}; check the path", path.display())))?;
    let unpacked = zstd::Decoder::new(BufReader::new(file)).map_err(no_archive)?;
    let mut archive = tar::Archive::new(unpacked);
    let mut found: BTreeMap<String, Entry> = BTreeMap::new();
    let mut manifest: Option<Manifest> = None;
    for entry in archive.entries().map_err(no_archive)? {
        let entry = entry.map_err(no_archive)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if manifest.is_some() || found.len() >= MOST_FILES || !entry.header().entry_type().is_file() {
            return Err(wrong(format!("holds {name:?}, which no backup has there")).into());
        }
        if name == manifest::NAME {
            let mut text = String::new();
            entry.take(MOST_MANIFEST).read_to_string(&mut text).map_err(no_archive)?;
            manifest = Some(read_manifest(&text).map_err(wrong)?);
            continue;
        }
        let to = place_of(&name, places).ok_or_else(|| wrong(format!("holds {name:?}, which no backup has")))?;
        let mut hashed = Hashed::new(entry);
        write_new(&mut hashed, &to).map_err(|trouble| match trouble {
            Trouble::Read(error) => anyhow::Error::from(no_archive(error)),
            Trouble::Write(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                wrong(format!("holds {name:?} twice")).into()
            }
            Trouble::Write(error) => match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    StoreError::Full { path: to.clone() }.into()
                }
                _ => Failure::usage(format!("cannot write {}: {error}; name another store", to.display())).into(),
            },
        })?;
        let written = super::entry(&name, hashed);
        found.insert(name, written);
    }
    // The sum over all of it stands at its end.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(no_archive)?;
    let manifest = manifest.ok_or_else(|| wrong("has no manifest: it was cut".to_owned()))?;
    for entry in &manifest.files {
        match found.remove(&entry.name) {
            Some(is) if is == *entry => {}
            Some(is) => {
                return Err(wrong(format!(
                    "{}: its SHA-256 is {}, written was {}",
                    entry.name, is.sha256, entry.sha256
                ))
                .into());
            }
            None => return Err(wrong(format!("{} is missing", entry.name)).into()),
        }
    }
    if let Some((name, _)) = found.first_key_value() {
        return Err(wrong(format!("{name} was added: the manifest does not name it")).into());
    }
    if manifest.files.iter().all(|entry| entry.name != PARTS[0].0) {
        return Err(wrong("holds no store".to_owned()).into());
    }
    Ok(manifest)
}

fn read_manifest(text: &str) -> Result<Manifest, String> {
    let manifest: Manifest =
        serde_json::from_str(text).map_err(|error| format!("its manifest cannot be read ({error})"))?;
    if manifest.kind != manifest::KIND {
        return Err("is no archive of `ot-sensor backup`".to_owned());
    }
    if manifest.layout > manifest::LAYOUT {
        return Err(format!(
            "has layout {}, this version knows layouts up to {}: restore it with ot-sensor {} or newer",
            manifest.layout,
            manifest::LAYOUT,
            manifest.version
        ));
    }
    Ok(manifest)
}

/// Where a file of the archive is unpacked; `None` for a name that no backup has.
fn place_of(name: &str, places: &Places) -> Option<PathBuf> {
    if let Some((_, end)) = PARTS.iter().find(|(known, _)| *known == name) {
        return Some(behind(&places.staged_store(), end));
    }
    let rest = name.strip_prefix(EVIDENCE)?;
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
    };
    let (folder, file) = rest.split_once('/')?;
    (plain(folder) && plain(file)).then(|| places.staged_evidence().join(folder).join(file))
}

/// Which side of a copy failed.
enum Trouble {
    Read(io::Error),
    Write(io::Error),
}

fn write_new(from: &mut impl Read, to: &Path) -> Result<(), Trouble> {
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(Trouble::Write)?;
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let mut file = file.map_err(Trouble::Write)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Trouble::Read(error)),
        };
        file.write_all(buffer.get(..count).unwrap_or_default()).map_err(Trouble::Write)?;
    }
    file.sync_all().map_err(Trouble::Write)
}

/// Whether what was unpacked is sound, and is brought up to date where an older version made it.
fn sound(path: &Path, places: &Places, manifest: &Manifest) -> anyhow::Result<()> {
    let wrong = |error: StoreError| match error {
        StoreError::Newer { .. } | StoreError::Full { .. } | StoreError::Io { .. } => anyhow::Error::from(error),
        error => Failure::input(format!("backup {}: what is in it cannot be used: {error}", path.display())).into(),
    };
    let store = places.staged_store();
    ot_store::check(&store, Depth::All, None).and_then(|found| found.sound(&store)).map_err(wrong)?;
    let reader = Reader::open(&store).map_err(wrong)?;
    let totals = reader.totals().map_err(wrong)?;
    if (totals.alerts, totals.devices, totals.events) != (manifest.alerts, manifest.devices, manifest.events) {
        return Err(Failure::input(format!(
            "backup {}: its store holds {} alerts, {} devices and {} events, the manifest says {}, {} and {}; use another backup",
            path.display(),
            totals.alerts,
            totals.devices,
            totals.events,
            manifest.alerts,
            manifest.devices,
            manifest.events
        ))
        .into());
    }
    drop(reader);
    if manifest.files.iter().any(|file| file.name == PARTS[1].0) {
        AccessStore::open(&store).and_then(|access| access.users()).map_err(wrong)?;
    }
    // What the store tells from now on is not what was told since the backup under the same numbers.
    Store::open_existing(&store).and_then(|mut store| store.forget_origin()).map_err(wrong)?;
    // One file each, which can be moved.
    ot_store::settle(&store).map_err(wrong)
}

/// Puts what was checked into its place. Gives what was there before and where it is now.
fn put(places: &Places, manifest: &Manifest) -> anyhow::Result<Vec<PathBuf>> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |error: io::Error| {
            Failure::usage(format!(
                "cannot move {}: {error}; what was there is beside it with .old behind its name, and the backup is as it was",
                path.display()
            ))
        }
    };
    let old_store = behind(&places.store, ".old");
    // What was there is a store by itself, with its packets where a store has them.
    let beside = behind(&places.store, ".evidence") == places.evidence;
    let old_evidence = if beside { behind(&old_store, ".evidence") } else { behind(&places.evidence, ".old") };
    let mut kept = Vec::new();
    if places.store.exists() {
        // A damaged one is moved as it is.
        if let Err(error @ StoreError::Locked { .. }) = ot_store::settle(&places.store) {
            return Err(error.into());
        }
    }
    let parts =
        PARTS.iter().filter(|(name, _)| manifest.files.iter().any(|file| file.name == *name)).map(|(_, end)| *end);
    let parts: Vec<&str> = parts.collect();
    let mut moved: Vec<(PathBuf, PathBuf)> = vec![(places.evidence.clone(), old_evidence)];
    for end in parts.iter().flat_map(|end| [(*end).to_owned(), format!("{end}-wal"), format!("{end}-shm")]) {
        moved.push((places.part(&end), behind(&old_store, &end)));
    }
    moved.retain(|(from, _)| fs::symlink_metadata(from).is_ok());
    if let Some((_, there)) = moved.iter().find(|(_, to)| fs::symlink_metadata(to).is_ok()) {
        return Err(Failure::usage(format!(
            "{}: is there already, from an earlier restore; move it away or remove it, then try again",
            there.display()
        ))
        .into());
    }
    for (from, to) in moved {
        fs::rename(&from, &to).map_err(fail(&from))?;
        kept.push(to);
    }
    // The store itself last: as long as it is not there, nobody takes the rest for whole.
    let staged = places.staged_store();
    let mut moves: Vec<(PathBuf, PathBuf)> =
        parts.iter().rev().map(|end| (behind(&staged, end), places.part(end))).collect();
    if places.staged_evidence().is_dir() {
        moves.insert(0, (places.staged_evidence(), places.evidence.clone()));
    }
    for (from, to) in moves {
        fs::rename(&from, &to).and_then(|()| sync_folder(&to)).map_err(fail(&from))?;
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_a_backup_are_unpacked() {
        let places = Places { store: "/a/b.db".into(), evidence: "/a/b.db.evidence".into(), end: ".restoring" };
        let path = |name: &str| place_of(name, &places).map(|path| path.display().to_string());
        assert_eq!(path("store.db").as_deref(), Some("/a/b.db.restoring"));
        assert_eq!(path("access.db").as_deref(), Some("/a/b.db.restoring.access"));
        assert_eq!(path("evidence/3f/3f2a-1.pcapng").as_deref(), Some("/a/b.db.evidence.restoring/3f/3f2a-1.pcapng"));
        for name in [
            "",
            "other",
            "evidence/",
            "evidence/3f",
            "evidence/../x",
            "evidence/3f/../x",
            "evidence/3f/a/b",
            "/etc/passwd",
            "evidence//x",
        ] {
            assert_eq!(path(name), None, "{name}");
        }
    }
}
