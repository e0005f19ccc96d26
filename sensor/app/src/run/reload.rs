//! SIGHUP: the configuration is read anew. What can change while the sensor runs does so at once; what cannot is told. A file
//! with a mistake changes nothing.

use super::Sensor;
use crate::cli::RunArgs;
use crate::config::Config;
use ot_store::wall_clock;
use std::path::PathBuf;

/// The file that the command line names.
pub struct ConfigFile {
    path: Option<PathBuf>,
    /// As the run began with it: what holds only from a start on is held against this.
    first: Config,
    /// Rules that the command line names.
    rules: Vec<PathBuf>,
}

impl ConfigFile {
    /// With what it says.
    pub fn new(args: &RunArgs, config: &Config) -> Self {
        Self { path: args.store.config.clone(), first: config.clone(), rules: args.rules.clone() }
    }

    /// Keys that hold only from a start on, and are other than then.
    fn fixed(&self, new: &Config) -> Vec<String> {
        let first = &self.first;
        let keys = [
            #[cfg(feature = "forward")]
            ("[[forward]]", first.forward != new.forward),
            ("[sensor] console_url", first.console_url != new.console_url),
            ("[log]", first.log != new.log),
            ("store", first.store != new.store),
            ("[sensor] id", first.engine.sensor_id != new.engine.sensor_id),
            ("[learning]", first.engine.learning != new.engine.learning),
            ("[evidence]", first.evidence != new.evidence),
            ("[capture] and [[interface]]", first.capture != new.capture),
        ];
        keys.into_iter().filter(|(_, other)| *other).map(|(key, _)| key.to_owned()).collect()
    }
}

impl Sensor<'_> {
    /// Reads the configuration anew.
    pub fn reconfigure(&mut self) {
        let Some(path) = self.file.path.clone() else { return };
        let read = Config::load(&path).map_err(|failure| failure.message).and_then(|new| {
            let indicators = crate::indicators::load(self.writer.store(), &new).map_err(|error| error.to_string())?;
            Ok((new, indicators))
        });
        let (new, indicators) = match read {
            Ok(read) => read,
            Err(problem) => {
                let hint = self.hint(&problem);
                self.health.warn(&mut self.engine, format!("the configuration stays as it was: {problem}{hint}"));
                return;
            }
        };
        let mut told = self.engine.reconfigure(&new.engine);
        let fingerprint = indicators.fingerprint();
        if fingerprint != self.indicators {
            self.indicators = fingerprint;
            told.changed.push("indicators".to_owned());
            self.engine.set_indicators(indicators);
        }
        if self.config.room != new.room {
            self.config.room = new.room;
            told.changed.push("room of the store".to_owned());
        }
        self.config.indicators.clone_from(&new.indicators);
        if self.config.rules != new.rules {
            self.config.rules.clone_from(&new.rules);
            told.changed.push("files of rules".to_owned());
            self.rules.set_files(new.rules.iter().chain(&self.file.rules).cloned().collect());
        }
        let mut restart = self.file.fixed(&new);
        restart.append(&mut told.restart);
        restart.sort();
        restart.dedup();
        let mut text = match told.changed.as_slice() {
            [] => "the configuration was read anew: nothing that can change at once is other than before".to_owned(),
            changed => format!("the configuration was read anew; from now on other: {}", changed.join("; ")),
        };
        if !restart.is_empty() {
            text.push_str(&format!("; only after a restart: {}", restart.join(", ")));
        }
        self.health.say(&text);
        self.engine.sensor_event(wall_clock(), text);
    }
}
