//! `fleet`: the centre of many sensors.

use crate::cli::{FleetArgs, FleetCommand, FleetRunArgs, FleetStatusArgs};
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::log::{self, Level};
use crate::output::{Output, clean, short_time};
use crate::run::manager::Manager;
use crate::when::show_span;
use ot_engine::words::number_of;
use ot_fleet::{Centre, CentreStatus, Receiver, SensorStatus, Settings, rebuild};
use ot_protocol::time::SECOND;
use ot_store::wall_clock;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub fn run(output: &mut Output, command: &FleetCommand) -> anyhow::Result<Exit> {
    match command {
        FleetCommand::Run(args) => receive(args),
        FleetCommand::Status(args) => status(output, args),
        FleetCommand::Rebuild(args) => {
            let (_, settings) = settings(args)?;
            let shown = rebuild(&settings, &|line| log::line(Level::Info, "fleet", line))?;
            output.line(&format!(
                "{}: written anew, {}",
                settings.store.display(),
                number_of(u64::try_from(shown).unwrap_or(u64::MAX), "alert")
            ))?;
            Ok(Exit::Done)
        }
    }
}

fn settings(args: &FleetArgs) -> anyhow::Result<(Config, Settings)> {
    let config = Config::of(&args.store)?;
    let Some(mut settings) = config.fleet.clone() else {
        let told = "no centre is configured; write [fleet.nats] and [fleet.database] into the file that --config names";
        return Err(Failure::usage(told).into());
    };
    if let Some(store) = &args.store.store {
        settings.store.clone_from(store);
    }
    settings.check_database().map_err(Failure::usage)?;
    Ok((config, settings))
}

fn receive(args: &FleetRunArgs) -> anyhow::Result<Exit> {
    let (config, settings) = settings(&args.fleet)?;
    settings.check().map_err(Failure::usage)?;
    log::begin(args.log.format.unwrap_or(config.log));
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let quiet = args.quiet;
    let tell = move |line: &str| {
        let wrong =
            ["tries again", "silent", "degraded", "refused", "left its outbox"].iter().any(|word| line.contains(word));
        if wrong || !quiet {
            log::line(if wrong { Level::Warning } else { Level::Info }, "fleet", line);
        }
    };
    let mut receiver = Receiver::open(&settings, &tell)?;
    tell(&format!(
        "receives stream {} of {} into {}, shown in {}",
        settings.stream,
        settings.nats.server,
        settings.database,
        settings.store.display()
    ));
    let mut manager = Manager::default();
    manager.ready("receives");
    while !stop.load(Ordering::Relaxed) {
        log::tick();
        manager.alive();
        receiver.turn()?;
    }
    manager.stopping();
    Ok(Exit::Done)
}

fn status(output: &mut Output, args: &FleetStatusArgs) -> anyhow::Result<Exit> {
    let (_, settings) = settings(&args.fleet)?;
    let silent = i64::try_from(settings.silent_after.as_nanos()).unwrap_or(i64::MAX);
    let found = Centre::look(&settings.database)?.health(wall_clock().0, silent)?;
    let right = found.receiver && found.link.is_none() && found.sensors.iter().all(|sensor| sensor.state == "ok");
    if args.output.json {
        output.json(&found)?;
    } else {
        tell(output, &found)?;
    }
    Ok(if right { Exit::Done } else { Exit::NotFound })
}

fn tell(output: &mut Output, found: &CentreStatus) -> anyhow::Result<()> {
    let receiver = match (&found.link, found.receiver) {
        (_, false) => "no receiver runs: start `ot-sensor fleet run`".to_owned(),
        (Some(problem), true) => format!("a receiver runs; {problem}"),
        (None, true) => "a receiver runs".to_owned(),
    };
    output.line(&clean(&receiver))?;
    output.line(&format!(
        "{} of sensors, shown as {}, {} of these told by several sensors",
        number_of(whole(found.alerts), "alert"),
        found.shown,
        found.of_several
    ))?;
    let lag = &found.lag;
    let milliseconds = |value: Option<i64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value} ms"));
    output.line(&format!(
        "{} in the last minute; of the last hour half were here within {}, 99 of 100 within {}, all within {}",
        number_of(whole(found.messages_last_minute), "message"),
        milliseconds(lag.median_ms),
        milliseconds(lag.p99_ms),
        milliseconds(lag.most_ms)
    ))?;
    output.line(&format!(
        "{} wait in the stream, {} are not shown yet",
        number_of(whole(found.stream_waiting.unwrap_or_default()), "message"),
        found.not_shown
    ))?;
    if let Some(last) = &found.last_refused {
        output.paragraph(
            "",
            2,
            &clean(&format!("{} refused; the last: {last}", number_of(whole(found.refused), "message"))),
        )?;
    }
    let header = [
        "SENSOR", "SITE", "STATE", "HEARD", "LAG", "WAITING", "RECEIVED", "AGAIN", "REFUSED", "LOST", "VERSION", "WHY",
    ];
    let rows = found.sensors.iter().map(|sensor| {
        let SensorStatus { waiting, lost, .. } = sensor;
        let maybe = |number: &Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let cells = [
            sensor.sensor.clone(),
            sensor.site.clone().unwrap_or_default(),
            sensor.state.to_owned(),
            short_time(&sensor.last_heard),
            if sensor.lag_seconds == 0 { "-".to_owned() } else { show_span(sensor.lag_seconds.saturating_mul(SECOND)) },
            maybe(waiting),
            sensor.messages.to_string(),
            sensor.doubles.to_string(),
            sensor.refused.to_string(),
            maybe(lost),
            sensor.version.clone().unwrap_or_default(),
            sensor.reasons.join(", "),
        ];
        cells.into_iter().map(|cell| clean(&cell).as_str().into()).collect()
    });
    output.table(&header, rows.collect(), 0)?;
    Ok(())
}

fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
