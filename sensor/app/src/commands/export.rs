//! `export`: everything that a store holds, as files of JSON lines or CSV.

use super::reader;
use crate::cli::{ExportArgs, ExportFormat};
use crate::exit::{Exit, Failure};
use crate::output::{Output, write_json};
use ot_engine::words::number_of;
use ot_views::Names;
use ot_views::csv;
use ot_views::export::{Columns, ExportError, TABLES, table};
use std::fs::OpenOptions;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

pub fn run(output: &mut Output, args: &ExportArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.store)?;
    let names = Names::new(&reader);
    let fail = |path: &Path, error: std::io::Error| {
        Failure::usage(format!("cannot write {}: {error}; name another folder, or add --force", path.display()))
    };
    std::fs::create_dir_all(&args.folder).map_err(|error| fail(&args.folder, error))?;
    let chosen = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    for (name, _) in TABLES.iter().filter(|(name, _)| chosen(name)) {
        let end = match args.format {
            ExportFormat::Jsonl => "jsonl",
            ExportFormat::Csv => "csv",
        };
        let path = args.folder.join(format!("{name}.{end}"));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .create_new(!args.force)
            .truncate(args.force)
            .mode(0o600)
            .open(&path)
            .map_err(|error| fail(&path, error))?;
        let mut writer = BufWriter::new(file);
        let count = match args.format {
            ExportFormat::Jsonl => table(&names, name, &mut |value| {
                write_json(&mut writer, &value).map_err(std::io::Error::other)?;
                writer.write_all(b"\n")
            }),
            // Which columns there are is known once all rows were seen.
            ExportFormat::Csv => {
                let mut columns = Columns::default();
                table(&names, name, &mut |value| {
                    columns.see(&value);
                    Ok(())
                })
                .and_then(|_| {
                    writer.write_all(csv::line(columns.names()).as_bytes())?;
                    table(&names, name, &mut |value| writer.write_all(csv::line(columns.cells(&value)).as_bytes()))
                })
            }
        };
        let count = match count {
            Ok(count) => count,
            Err(ExportError::View(error)) => return Err(error.into()),
            Err(ExportError::Write(error)) => return Err(fail(&path, error).into()),
        };
        writer.flush().map_err(|error| fail(&path, error))?;
        output.line(&format!("{}: {}", path.display(), number_of(count, "line")))?;
    }
    Ok(Exit::Done)
}
