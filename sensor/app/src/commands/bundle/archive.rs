//! A tar archive, compressed, with the hashes of its files; and its check.

use super::super::hashed::Hashed;
use crate::exit::Failure;
use crate::output::hexadecimal;
use anyhow::Context as _;
use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// The file with the hashes, as `sha256sum -c` reads it.
const SUMS: &str = "SHA256SUMS";
/// More than any archive of ours holds.
const MOST_FILES: usize = 64;
const MOST_SUMS: u64 = 1 << 20;
/// Unpacked, an archive is as large as its packets: far less than this.
const MOST_BYTES: u64 = 8 << 30;

/// The archive. Order, owners, rights and times are fixed, so that the same files give the same bytes.
pub fn write(folder: &str, files: &[(&str, Vec<u8>)], seconds: u64) -> anyhow::Result<Vec<u8>> {
    let sums = files.iter().fold(String::new(), |mut text, (name, bytes)| {
        let _ = writeln!(text, "{}  {name}", hexadecimal(&Sha256::digest(bytes)));
        text
    });
    let zip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    let mut archive = tar::Builder::new(zip);
    for (name, bytes) in files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).chain([(SUMS, sums.as_bytes())]) {
        let mut header = tar::Header::new_ustar();
        header.set_size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        header.set_mode(0o644);
        header.set_mtime(seconds);
        header.set_uid(0);
        header.set_gid(0);
        archive.append_data(&mut header, format!("{folder}/{name}"), bytes).context("cannot write the archive")?;
    }
    archive.into_inner().and_then(flate2::write::GzEncoder::finish).context("cannot write the archive")
}

/// What a check found.
pub struct Check {
    /// Files as they were written.
    pub good: Vec<String>,
    /// Others, with what is wrong.
    pub bad: Vec<String>,
    /// SHA-256 of the archive itself.
    pub sha256: String,
}

/// Holds each file of an archive against its hash.
pub fn check(path: &Path) -> anyhow::Result<Check> {
    let wrong = |what: String| Failure::input(format!("{}: {what}", path.display()));
    let file = File::open(path).map_err(|error| wrong(format!("{error}; check the path")))?;
    let packed = Hashed::new(BufReader::new(file));
    let unpacked = MultiGzDecoder::new(packed).take(MOST_BYTES);
    let mut archive = tar::Archive::new(unpacked);
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut bad = Vec::new();
    let mut sums = None;
    let no_archive = |error: io::Error| wrong(format!("is no archive of `alerts bundle` ({error})"));
    for entry in archive.entries().map_err(no_archive)? {
        let mut entry = entry.map_err(no_archive)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.split_once('/').map_or(name.as_str(), |(_, name)| name).to_owned();
        if found.len() >= MOST_FILES {
            return Err(wrong(format!("is no archive of `alerts bundle` (more than {MOST_FILES} files)")).into());
        }
        if !entry.header().entry_type().is_file() {
            bad.push(format!("{name}: is no file"));
            continue;
        }
        if name == SUMS {
            let mut text = String::new();
            entry.by_ref().take(MOST_SUMS).read_to_string(&mut text).map_err(no_archive)?;
            if sums.replace(text).is_some() {
                bad.push(format!("{SUMS}: is there twice"));
            }
            continue;
        }
        let mut hashed = Hashed::new(entry);
        io::copy(&mut hashed, &mut io::sink()).map_err(no_archive)?;
        if found.insert(name.clone(), hashed.sha256()).is_some() {
            bad.push(format!("{name}: is there twice"));
        }
    }
    let Some(sums) = sums else {
        return Err(wrong(format!("is no archive of `alerts bundle` (it has no {SUMS})")).into());
    };
    let mut good = Vec::new();
    let mut listed = BTreeSet::new();
    for line in sums.lines().filter(|line| !line.is_empty()) {
        let Some((hash, name)) = line.split_once("  ") else {
            bad.push(format!("{SUMS}: line {line:?} is no hash and name"));
            continue;
        };
        listed.insert(name.to_owned());
        match found.get(name) {
            Some(is) if is == hash => good.push(name.to_owned()),
            Some(is) => bad.push(format!("{name}: its SHA-256 is {is}, written was {hash}")),
            None => bad.push(format!("{name}: is missing")),
        }
    }
    for name in found.keys().filter(|name| !listed.contains(*name)) {
        bad.push(format!("{name}: was added: {SUMS} does not name it"));
    }
    let mut packed = archive.into_inner().into_inner().into_inner();
    // What may follow the end of the archive is part of the file as well.
    io::copy(&mut packed, &mut io::sink()).map_err(no_archive)?;
    Ok(Check { good, bad, sha256: packed.sha256() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<(&'static str, Vec<u8>)> {
        vec![("alert.json", b"{}\n".to_vec()), ("packets.pcapng", vec![7; 100_000])]
    }

    fn check_bytes(bytes: &[u8]) -> anyhow::Result<Check> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), bytes)?;
        check(file.path())
    }

    #[test]
    fn is_whole_and_always_the_same() {
        let bytes = write("alert-1", &files(), 1_700_000_000).unwrap();
        assert_eq!(bytes, write("alert-1", &files(), 1_700_000_000).unwrap());
        let found = check_bytes(&bytes).unwrap();
        assert_eq!(found.good, ["alert.json", "packets.pcapng"]);
        assert!(found.bad.is_empty());
        assert_eq!(found.sha256, hexadecimal(&Sha256::digest(&bytes)));
    }

    /// An archive with other files than the hashes tell of.
    fn forged(change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> Check {
        let bytes = write("a", &files(), 0).unwrap();
        let mut list = Vec::new();
        let mut archive = tar::Archive::new(MultiGzDecoder::new(bytes.as_slice()));
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            list.push((name, content));
        }
        change(&mut list);
        let mut archive = tar::Builder::new(GzBuilder::new().write(Vec::new(), Compression::fast()));
        for (name, content) in &list {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, content.as_slice()).unwrap();
        }
        check_bytes(&archive.into_inner().unwrap().finish().unwrap()).unwrap()
    }

    #[test]
    fn what_was_changed_added_or_taken_away_is_told() {
        assert!(forged(|_| {}).bad.is_empty());
        let found = forged(|list| list[0].1 = b"{ }\n".to_vec());
        assert!(found.bad[0].starts_with("alert.json: its SHA-256 is "), "{:?}", found.bad);
        let found = forged(|list| drop(list.remove(1)));
        assert_eq!(found.bad, ["packets.pcapng: is missing"]);
        let found = forged(|list| list.push(("a/more.txt".into(), b"x".to_vec())));
        assert_eq!(found.bad, ["more.txt: was added: SHA256SUMS does not name it"]);
        let found = forged(|list| list.push(list[0].clone()));
        assert_eq!(found.bad, ["alert.json: is there twice"]);
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let whole = write("a", &files(), 0).unwrap();
        for bytes in [b"".as_slice(), b"no archive at all", whole.get(..whole.len() / 2).unwrap()] {
            assert!(check_bytes(bytes).is_err(), "{} bytes", bytes.len());
        }
    }
}
