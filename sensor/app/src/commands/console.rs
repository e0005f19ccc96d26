//! `console`: opens the console over a store, and is the sensor around it.

use super::alerts::check_files;
use super::{bundle, pcap};
use crate::acts;
use crate::cli::ConsoleArgs;
use crate::config::Config;
use crate::decode;
use crate::disk;
use crate::evidence;
use crate::exit::{Exit, Failure, one_line};
use crate::log;
use crate::output::Output;
use crate::protocols::PROTOCOLS;

use ot_capture::CaptureSet;
use ot_console::{Host, Settings, open, tls};
use ot_engine::config::EngineConfig;
use ot_evidence::{Folder, triggers};
use ot_flow::FlowConfig;
use ot_store::Store;
use ot_store::read::Reader;
use ot_views::AlertStory;
use serde_json::{Map, Value};
use std::ops::ControlFlow;
use std::path::PathBuf;

pub fn run(output: &mut Output, args: &ConsoleArgs) -> anyhow::Result<Exit> {
    let config = Config::of(&args.store)?;
    log::begin(args.log.format.unwrap_or(config.log));
    let store = config.store_path(&args.store);
    let folder = evidence::folder(&config, &store);
    let given = |one: Option<&PathBuf>, other: Option<&PathBuf>| Some((one?.clone(), other?.clone()));
    let files = match args.plain_http {
        true => None,
        false => given(args.certificate.as_ref(), args.key.as_ref())
            .or_else(|| given(config.console.certificate.as_ref(), config.console.key.as_ref())),
    };
    let settings = Settings {
        store: store.clone(),
        listen: args.listen.unwrap_or(config.console.listen),
        certificate: files.map(|(certificate, key)| tls::Files { certificate, key }),
        plain: args.plain_http,
        threads: 2,
    };
    #[cfg(feature = "forward")]
    let forwarder = if args.forward { crate::run::forward::start(&config, &store, false)? } else { None };
    let console = open(&settings, Box::new(Sensor { config, store: store.clone(), folder }))?;
    let mut lines = vec![format!("console: {}", console.url())];
    lines.extend(console.fingerprint().map(|print| format!("SHA-256 of its certificate: {print}")));
    if !console.has_users()? {
        lines.push(format!(
            "nobody can sign in yet:  ot-sensor user add NAME --role administrator --store {}",
            store.display()
        ));
    }
    for line in lines {
        match log::format() {
            log::Format::Text => output.line(&line)?,
            log::Format::Json => log::line(log::Level::Info, "console", &line),
        }
    }
    output.finish()?;
    // A service manager waits for this; without one it does nothing.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    console.run(end(args.until_eof))?;
    #[cfg(feature = "forward")]
    crate::run::forward::end(forwarder);
    Ok(Exit::Done)
}

/// Done when the process is asked to end.
async fn end(until_eof: bool) {
    use tokio::signal::unix::{SignalKind, signal};
    let eof = async {
        if until_eof {
            let read = || std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            let _ = tokio::task::spawn_blocking(read).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    let (Ok(mut terminate), Ok(mut hang_up)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup())) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
        () = eof => {}
    }
}

/// The sensor around the console.
struct Sensor {
    config: Config,
    store: PathBuf,
    folder: Folder,
}

impl Host for Sensor {
    fn engine(&self) -> &EngineConfig {
        &self.config.engine
    }

    fn apply(&self, store: &mut Store) -> Result<(), String> {
        acts::apply_commands(store, &self.config).map(drop).map_err(|error| one_line(&error))
    }

    fn check_evidence(&self, alert: &mut AlertStory) {
        check_files(alert, &self.folder);
    }

    fn packets(&self, alert: &AlertStory) -> Result<Vec<u8>, String> {
        pcap::packets(alert, &self.folder).map_err(|error| one_line(&error))
    }

    fn messages(&self, alert: &AlertStory, most: usize) -> Result<(Vec<Map<String, Value>>, bool), String> {
        // Checked against its hash first: only packets as they were kept are told of.
        pcap::packets(alert, &self.folder).map_err(|error| one_line(&error))?;
        let paths: Vec<_> = alert.evidence.files.iter().map(|file| self.folder.file(&file.name)).collect();
        let marked: Vec<Vec<u64>> =
            paths.iter().map(|path| std::fs::read(path).map(|bytes| triggers(&bytes)).unwrap_or_default()).collect();
        let mut captures = CaptureSet::open(&paths).map_err(|error| error.to_string())?;
        let (mut found, mut more) = (Vec::new(), false);
        ot_flow::decode(&mut captures, PROTOCOLS, &FlowConfig::default(), &mut |message| {
            if found.len() >= most {
                more = true;
                return ControlFlow::Break(());
            }
            let frame = message.frame;
            let of_file = usize::try_from(frame.file()).ok().and_then(|file| marked.get(file));
            let trigger = of_file.is_some_and(|numbers| numbers.contains(&frame.number()));
            let mut object = decode::object(&message);
            object.insert("alert.trigger".to_owned(), Value::Bool(trigger));
            found.push(object);
            ControlFlow::Continue(())
        })
        .map_err(|error| error.to_string())?;
        Ok((found, more))
    }

    fn disk(&self) -> (Option<u64>, u64) {
        (disk::free(&self.store), self.config.room.disk_free)
    }

    fn bundle(&self, reader: &Reader, id: &str) -> Result<Vec<u8>, String> {
        bundle::make(reader, &self.folder, id).map(|made| made.bytes).map_err(|error| one_line(&error))
    }
}

impl From<ot_console::secret::SecretError> for Failure {
    fn from(error: ot_console::secret::SecretError) -> Self {
        Self::usage(error.to_string())
    }
}
