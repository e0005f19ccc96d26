//! `forward`: tells other systems of alerts, in a process of its own; and what has to do with it.

use crate::cli::{ForwardArgs, ForwardCommand, ForwardRemoveArgs, ForwardStatusArgs, ForwardTestArgs};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::log;
use crate::output::{Output, clean, short_time};
use crate::when::show_span;
use ot_forward::{Delivered, Destination, Forwarder, Options, destination, payload, try_out};
use ot_protocol::time::SECOND;
use ot_store::read::Reader;
use ot_store::{Store, forwarder_of, wall_clock};
use ot_views::{DestinationLine, destinations};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long an end that is asked for is waited for.
const END: Duration = Duration::from_secs(8);

pub fn run(output: &mut Output, args: &ForwardArgs, command: Option<&ForwardCommand>) -> anyhow::Result<Exit> {
    match command {
        None => forward(output, args),
        Some(ForwardCommand::Status(args)) => status(output, args),
        Some(ForwardCommand::Test(args)) => test(output, args),
        Some(ForwardCommand::Schema) => {
            output.line(&serde_json::to_string_pretty(&payload::schema())?)?;
            Ok(Exit::Done)
        }
        Some(ForwardCommand::Remove(args)) => remove(output, args),
    }
}

fn forward(output: &mut Output, args: &ForwardArgs) -> anyhow::Result<Exit> {
    let config = Config::of(&args.store)?;
    log::begin(args.log.format.unwrap_or(config.log));
    for one in &config.forward {
        destination::check(one).map_err(|problem| Failure::usage(format!("forward {}: {problem}", one.name)))?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let quiet = args.quiet;
    let path = config.store_path(&args.store);
    let options = Options {
        console: config.console_url.clone(),
        around: crate::run::forward::around(&config, &path),
        once: args.once,
        wait: false,
        tell: Arc::new(move |line| crate::run::tell(line, quiet)),
    };
    let forwarder = Forwarder::start(&path, config.forward, options)?;
    while !forwarder.is_done() {
        log::tick();
        if stop.load(Ordering::Relaxed) {
            forwarder.ask_to_stop();
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let longest = stop.load(Ordering::Relaxed).then_some(END);
    let Some(delivered) = forwarder.wait(longest) else { return Ok(Exit::Done) };
    if !args.once {
        return Ok(Exit::Done);
    }
    for Delivered { row, all } in &delivered {
        let rest = if *all { String::new() } else { format!("; not all: {}", row.last_error.as_deref().unwrap_or("")) };
        if !quiet || !all {
            output.line(&clean(&format!(
                "{}: {} delivered, {} passed over, {} refused, {} lost{rest}",
                row.name, row.delivered, row.passed_over, row.refused, row.lost
            )))?;
        }
    }
    Ok(if delivered.iter().all(|one| one.all) { Exit::Done } else { Exit::NotFound })
}

fn status(output: &mut Output, args: &ForwardStatusArgs) -> anyhow::Result<Exit> {
    let path = Config::of(&args.store)?.store_path(&args.store);
    let reader = Reader::open(&path)?;
    let lines = destinations(&reader, wall_clock())?;
    if lines.is_empty() {
        let told = format!(
            "nothing found: no destination was ever told from {}; `ot-sensor forward` with a configuration begins",
            path.display()
        );
        return Err(Failure::not_found(told).into());
    }
    if args.output.json {
        for line in &lines {
            output.json(line)?;
        }
        return Ok(Exit::Done);
    }
    match forwarder_of(&path) {
        Some(process) => output.line(&format!("forwarded by process {process}"))?,
        None => {
            output.line("nobody forwards now: start `ot-sensor forward`, or `ot-sensor run` with this configuration")?
        }
    }
    let header = ["NAME", "STATE", "DELIVERED", "WAITING", "LAG", "TRIES", "REFUSED", "LOST", "LAST DELIVERED", "TO"];
    let rows = lines.iter().map(|line| {
        let cells = [
            line.name.clone(),
            line.state.clone(),
            line.delivered.to_string(),
            line.waiting.to_string(),
            if line.waiting == 0 { "-".to_owned() } else { show_span(line.lag_seconds.saturating_mul(SECOND)) },
            line.attempts.to_string(),
            line.refused.to_string(),
            line.lost.to_string(),
            line.last_delivered.as_deref().map_or_else(|| "never".to_owned(), short_time),
            line.address.clone(),
        ];
        cells.into_iter().map(|cell| cell.as_str().into()).collect()
    });
    output.table(&header, rows.collect(), 0)?;
    for DestinationLine { name, last_error, last_error_at, attempts, .. } in &lines {
        if let (Some(error), Some(at)) = (last_error, last_error_at) {
            let over = if *attempts == 0 { " (over)" } else { "" };
            output.paragraph("", 2, &format!("{name}, {}{over}: {error}", short_time(at)))?;
        }
    }
    Ok(Exit::Done)
}

fn test(output: &mut Output, args: &ForwardTestArgs) -> anyhow::Result<Exit> {
    let config = Config::of(&args.store)?;
    let known = config.forward.iter().map(|one| one.name.as_str());
    let Some(found) = config.forward.iter().find(|one| one.name == args.name) else {
        let told = if config.forward.is_empty() {
            "no destination is configured; write [[forward]] into the file that --config names".to_owned()
        } else {
            format!("destination {}", crate::cli::unknown(&args.name, known))
        };
        return Err(Failure::usage(told).into());
    };
    destination::check(found).map_err(|problem| Failure::usage(format!("forward {}: {problem}", found.name)))?;
    let Destination { name, target, format, .. } = found;
    output.line(&format!("{name}: {} to {target}, format {}", target.kind(), format.as_str()))?;
    match try_out(found, &config.engine.sensor_id, config.console_url.as_deref(), wall_clock()) {
        Ok(tried) => {
            output.line(&format!("message {}: {}", tried.id, clean(&tried.payload)))?;
            output.line(&clean(&tried.answer))?;
            Ok(Exit::Done)
        }
        Err(error) => {
            output.finish()?;
            Err(Failure::not_found(format!("forward {name}: {error}")).into())
        }
    }
}

fn remove(output: &mut Output, args: &ForwardRemoveArgs) -> anyhow::Result<Exit> {
    let path = Config::of(&args.store)?.store_path(&args.store);
    if Store::open_existing(&path)?.forget_destination(&args.name)? {
        output.line(&format!("destination {} forgotten", args.name))?;
        return Ok(Exit::Done);
    }
    let told = format!("no destination {}; `ot-sensor forward status` shows them", args.name);
    Err(Failure::not_found(told).into())
}
