//! `alerts pcap`: the packets of an alert as one pcapng file.

use super::alerts::check_files;
use super::reader;
use crate::cli::AlertsPcapArgs;
use crate::config::Config;
use crate::evidence::{self, size};
use crate::exit::{Exit, Failure};
use crate::output::{Output, hexadecimal};
use ot_engine::words::number_of;
use ot_evidence::Folder;
use ot_views::alert::short_id;
use ot_views::{AlertStory, Names};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};

pub fn write(output: &mut Output, args: &AlertsPcapArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let folder = evidence::folder(&Config::of(&args.store)?, reader.path());
    let mut alert = ot_views::alert(&Names::new(&reader), &args.id)?;
    check_files(&mut alert, &folder);
    let bytes = packets(&alert, &folder)?;
    if args.output.as_deref().is_some_and(|path| path.as_os_str() == "-") {
        std::io::stdout().lock().write_all(&bytes)?;
        return Ok(Exit::Done);
    }
    let short = short_id(&reader, &alert.line.id)?;
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(format!("alert-{short}.pcapng")));
    write_file(&path, &bytes)?;
    let evidence = &alert.evidence;
    output.line(&format!(
        "{}: {} ({}), {} of alert {short} with the comment \"trigger of alert …\" (filter: frame.comment)",
        path.display(),
        number_of(evidence.packets, "packet"),
        size(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
        evidence.triggers,
    ))?;
    if let Some(reason) = &evidence.reason {
        output.line(&format!("not all: {reason}"))?;
    }
    Ok(Exit::Done)
}

/// The kept packets of an alert: a section for each run, one behind the other.
///
/// # Errors
/// Where none are kept, with what to do; where a file was changed.
pub fn packets(alert: &AlertStory, folder: &Folder) -> anyhow::Result<Vec<u8>> {
    let evidence = &alert.evidence;
    if evidence.files.is_empty() {
        let mut message = format!(
            "no packets of alert {}: {}",
            alert.line.id,
            evidence.reason.as_deref().unwrap_or("none were kept")
        );
        match &evidence.command {
            Some(command) => message.push_str(&format!("; take its frames out of the capture: {command}")),
            None if !alert.line.frames.is_empty() => {
                message.push_str("; replay the capture once more to have them kept");
            }
            None => {}
        }
        return Err(Failure::not_found(message).into());
    }
    let mut bytes = Vec::new();
    for file in &evidence.files {
        let path = folder.file(&file.name);
        let part = std::fs::read(&path).map_err(|error| {
            Failure::not_found(format!("cannot read {}: {error}; run this as a user who may", path.display()))
        })?;
        if hexadecimal(&Sha256::digest(&part)) != file.sha256 {
            return Err(Failure::not_found(format!(
                "{} was changed after it was written: its SHA-256 is not {}; do not use it as evidence",
                path.display(),
                file.sha256
            ))
            .into());
        }
        bytes.extend(part);
    }
    Ok(bytes)
}

/// Writes a file whole: beside it first, then renamed.
pub fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let fail = |error: std::io::Error| {
        Failure::usage(format!("cannot write {}: {error}; name a file in a folder that is there", path.display()))
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let beside = PathBuf::from(beside);
    // What is there and no regular file (a pipe, /dev/null) is written to as it is.
    if path.exists() && !path.is_file() {
        std::fs::write(path, bytes).map_err(fail)?;
        return Ok(());
    }
    std::fs::write(&beside, bytes).and_then(|()| std::fs::rename(&beside, path)).map_err(fail)?;
    Ok(())
}
