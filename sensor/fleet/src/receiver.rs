//! Turns the wheel: stream, record, view store, and what people do. Whatever is away is tried again, and holds up nothing that is
//! there: without the stream people go on to work, without the database the views go on to show what they showed.

use crate::centre::{Centre, CentreError, Received};
use crate::message::MOST_MESSAGE;
use crate::settings::Settings;
use ot_forward::destination::SendError;
use ot_forward::nats::{Client, Message};
use ot_forward::pace::Backoff;
use ot_store::fleet::{Changed, Shown};
use ot_store::{EngineLock, Store, StoreError, wall_clock};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Messages that are taken at once.
const BATCH: usize = 500;
/// Commands of people that are done in one go; messages are taken in between.
const COMMANDS: usize = 100;
/// Messages of a sensor that the stream holds at most, where it is made here: no sensor fills it alone.
const MOST_WAITING: u32 = 20_000;
/// How long a message is waited for, where there is none; what people ask for waits as long.
const WAIT: Duration = Duration::from_millis(400);
/// After so long the stream sends a message again that was not acknowledged.
const ACKNOWLEDGED: Duration = Duration::from_secs(10);
/// Bytes of the header of a message.
const MOST_HEAD: usize = 4 << 10;
/// How often the receiver says that it runs, and looks for silent sensors.
const LOOK: Duration = Duration::from_secs(5);
/// How often old alerts are looked for.
const FORGET: Duration = Duration::from_secs(60);
/// The longest wait between two tries.
const RETRY: Duration = Duration::from_secs(15);

/// Why there is no receiver.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The view store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The record's.
    #[error(transparent)]
    Centre(#[from] CentreError),
    /// The store is that of a sensor.
    #[error(
        "{0}: is the store of a sensor, in which the centre must not write; name another file as `store` under [fleet], or \
         with --store"
    )]
    OfSensor(PathBuf),
}

/// The receiver of the centre.
pub struct Receiver<'a> {
    settings: &'a Settings,
    tell: &'a dyn Fn(&str),
    store: Store,
    _lock: EngineLock,
    centre: Option<Centre>,
    client: Option<Client>,
    /// Messages that came and are not in the record yet.
    held: Vec<Received>,
    /// Where they are acknowledged.
    replies: Vec<String>,
    centre_next: Try,
    client_next: Try,
    store_trouble: String,
    /// Since when the stream was heard without a break.
    listens_since: Option<Instant>,
    looked: Instant,
    forgot: Instant,
    waiting: Option<i64>,
}

/// When something that is away is tried again.
struct Try {
    backoff: Backoff,
    at: Instant,
    told: String,
}

impl Try {
    fn new() -> Self {
        Self { backoff: Backoff::new(RETRY), at: Instant::now(), told: String::new() }
    }

    fn failed(&mut self, problem: &str, tell: &dyn Fn(&str)) {
        self.at = Instant::now() + self.backoff.fail();
        if self.told != problem {
            tell(&format!("{problem}; tries again"));
            problem.clone_into(&mut self.told);
        }
    }

    fn worked(&mut self, what: &str, tell: &dyn Fn(&str)) {
        self.backoff.reset();
        if !std::mem::take(&mut self.told).is_empty() {
            tell(what);
        }
    }
}

impl<'a> Receiver<'a> {
    /// Opens the view store. `tell` takes what a person should know, in a line.
    ///
    /// # Errors
    /// Where the store is not ours to write.
    pub fn open(settings: &'a Settings, tell: &'a dyn Fn(&str)) -> Result<Self, FleetError> {
        // The console of another user of the group writes to it what people ask for. Where it is there already, or cannot be
        // made, the store itself says what is wrong.
        let _ = OpenOptions::new().write(true).create_new(true).mode(0o660).open(&settings.store);
        let store = Store::open(&settings.store)?;
        let lock = store.lock_engine()?;
        if store.is_of_sensor()? {
            return Err(FleetError::OfSensor(settings.store.clone()));
        }
        let now = Instant::now();
        Ok(Self {
            settings,
            tell,
            store,
            _lock: lock,
            centre: None,
            client: None,
            held: Vec::new(),
            replies: Vec::new(),
            centre_next: Try::new(),
            client_next: Try::new(),
            store_trouble: String::new(),
            listens_since: None,
            looked: now,
            forgot: now,
            waiting: None,
        })
    }

    /// Goes round once; it takes half a second at most where all is there and nothing comes.
    ///
    /// # Errors
    /// What does not go away by itself: another receiver, tables of a newer version.
    pub fn turn(&mut self) -> Result<(), FleetError> {
        if self.centre.is_none() && !self.find_centre()? {
            std::thread::sleep(Duration::from_millis(200));
            return Ok(());
        }
        let worked = self.work();
        if let Err(error) = worked {
            match error {
                FleetError::Centre(error @ (CentreError::Taken(_) | CentreError::Newer { .. })) => {
                    return Err(error.into());
                }
                FleetError::Centre(error) => {
                    self.centre = None;
                    self.centre_next.failed(&error.to_string(), self.tell);
                }
                FleetError::Store(error) => {
                    let problem = error.to_string();
                    if self.store_trouble != problem {
                        (self.tell)(&format!("{problem}; tries again"));
                        self.store_trouble = problem;
                    }
                    std::thread::sleep(Duration::from_millis(500));
                }
                error @ FleetError::OfSensor(_) => return Err(error),
            }
        }
        Ok(())
    }

    /// Connects to the record, where it is time to try.
    fn find_centre(&mut self) -> Result<bool, FleetError> {
        if Instant::now() < self.centre_next.at {
            return Ok(false);
        }
        match Centre::open(&self.settings.database) {
            Ok(centre) => {
                self.centre_next.worked(&format!("{}: is there again", self.settings.database), self.tell);
                self.centre = Some(centre);
                Ok(true)
            }
            Err(error @ CentreError::Newer { .. }) => Err(error.into()),
            // The server may take a while to notice that an earlier connection of ours is gone.
            Err(error) => {
                self.centre_next.failed(&error.to_string(), self.tell);
                Ok(false)
            }
        }
    }

    fn work(&mut self) -> Result<(), FleetError> {
        let Some(centre) = &mut self.centre else { return Ok(()) };
        let silent = i64::try_from(self.settings.silent_after.as_nanos()).unwrap_or(i64::MAX);
        let look = self.looked.elapsed() >= LOOK;
        show(&mut self.store, centre, silent, look, self.tell)?;
        self.store_trouble.clear();
        self.listen();
        self.take()?;
        let Some(centre) = &mut self.centre else { return Ok(()) };
        let now = Instant::now();
        if now.saturating_duration_since(self.looked) >= LOOK {
            self.looked = now;
            let link = Some(self.client_next.told.as_str()).filter(|told| !told.is_empty());
            centre.note_receiver(wall_clock().0, link, self.waiting)?;
            let heard = |since: Instant| now.saturating_duration_since(since) >= self.settings.silent_after;
            // Nobody is silent while nothing can be heard, or while old messages are worked off.
            if self.listens_since.is_some_and(heard) {
                for line in centre.listen(wall_clock().0, silent)? {
                    (self.tell)(&line);
                }
            }
        }
        if let Some(keep) = self.settings.keep
            && now.saturating_duration_since(self.forgot) >= FORGET
        {
            self.forgot = now;
            let keep = i64::try_from(keep.as_nanos()).unwrap_or(i64::MAX);
            centre.forget(wall_clock().0.saturating_sub(keep))?;
        }
        Ok(())
    }

    /// Connects to the stream where it is time to, and gets what it has.
    fn listen(&mut self) {
        if !self.held.is_empty() {
            return;
        }
        if self.client.is_none() {
            if Instant::now() < self.client_next.at {
                std::thread::sleep(Duration::from_millis(100));
                return;
            }
            match connect(self.settings) {
                Ok(client) => {
                    self.client_next.worked(&format!("nats {}: is there again", client.server()), self.tell);
                    self.client = Some(client);
                    self.listens_since = Some(Instant::now());
                }
                Err(error) => self.lost(&error),
            }
        }
        let Some(client) = &mut self.client else { return };
        match client.fetch(&self.settings.stream, &self.settings.consumer, BATCH, WAIT) {
            Ok(messages) => {
                self.waiting = match messages.last().and_then(|message| message.reply.as_deref()).and_then(Place::of) {
                    Some(place) => Some(place.waiting),
                    None => Some(0),
                };
                if self.waiting.is_some_and(|waiting| waiting > 0) {
                    self.listens_since = Some(Instant::now());
                }
                self.replies = messages.iter().filter_map(|message| message.reply.clone()).collect();
                self.held = messages.into_iter().map(received).collect();
            }
            Err(error) => self.lost(&error),
        }
    }

    fn lost(&mut self, error: &SendError) {
        self.client = None;
        self.listens_since = None;
        self.client_next.failed(&format!("nats {error}"), self.tell);
    }

    /// Takes what came into the record, and says so to the stream once that is committed.
    fn take(&mut self) -> Result<(), FleetError> {
        let Some(centre) = &mut self.centre else { return Ok(()) };
        if self.held.is_empty() {
            return Ok(());
        }
        let taken = centre.take(&self.settings.subjects(), &self.held, wall_clock().0)?;
        if taken.refused > 0 {
            (self.tell)(&format!(
                "{} messages were refused and are kept apart; `ot-sensor fleet status` tells why",
                taken.refused
            ));
        }
        self.held = Vec::new();
        let replies = std::mem::take(&mut self.replies);
        let Some(client) = &mut self.client else { return Ok(()) };
        let said =
            replies.iter().try_for_each(|reply| client.publish(reply, None, "", b"+ACK")).and_then(|()| client.flush());
        // What the stream does not learn of comes again, and is known.
        if let Err(error) = said {
            self.lost(&error);
        }
        Ok(())
    }
}

fn received(message: Message) -> Received {
    let place = message.reply.as_deref().and_then(Place::of).unwrap_or_default();
    let Message { subject, body, size, .. } = message;
    Received { subject, body, size, sequence: place.sequence, stored: place.stored }
}

/// Writes the view store anew from the record. How many alerts it shows.
///
/// # Errors
/// Where one of them cannot be used.
pub fn rebuild(settings: &Settings, tell: &dyn Fn(&str)) -> Result<usize, FleetError> {
    let mut receiver = Receiver::open(settings, tell)?;
    let mut centre = Centre::open(&settings.database)?;
    // What people did and nobody carried over yet is not lost.
    let silent = i64::try_from(settings.silent_after.as_nanos()).unwrap_or(i64::MAX);
    show(&mut receiver.store, &mut centre, silent, false, tell)?;
    begin_anew(&mut receiver.store, &mut centre)?;
    show(&mut receiver.store, &mut centre, silent, true, tell)
}

/// Makes the view store show nothing yet.
fn begin_anew(store: &mut Store, centre: &mut Centre) -> Result<(), FleetError> {
    let id = centre.id().to_owned();
    store.show_fleet(&id)?;
    Ok(centre.note_shown(0)?)
}

/// Brings what people did to the record, and what changed there to the view store; with `look` also how sensors are, though
/// nothing changed. How many alerts were written.
fn show(
    store: &mut Store,
    centre: &mut Centre,
    silent: i64,
    mut look: bool,
    tell: &dyn Fn(&str),
) -> Result<usize, FleetError> {
    // One that is behind what was shown was put back from a copy: what is gone since is not told again.
    let (newest, noted) = (centre.newest_change()?, centre.noted_shown()?);
    let fits = |shown: Shown| shown.centre == centre.id() && (noted..=newest).contains(&shown.cursor);
    if !store.shown_fleet()?.is_some_and(fits) {
        tell(&format!("{}: is written anew", store.path().display()));
        begin_anew(store, centre)?;
    }
    let mut done = Vec::new();
    for command in store.pending_commands()?.into_iter().take(COMMANDS) {
        done.push((command.id, centre.act(&command)?));
    }
    let mut written = 0;
    loop {
        let Some(shown) = store.shown_fleet()? else { return Ok(written) };
        let changed =
            Changed { commands: std::mem::take(&mut done), ..centre.changed_since(&shown, wall_clock().0, silent)? };
        let same = changed.alerts.is_empty() && changed.gone.is_empty() && changed.events.is_empty();
        if same && changed.commands.is_empty() && !std::mem::take(&mut look) {
            return Ok(written);
        }
        written += changed.alerts.len();
        store.write_fleet(&changed, wall_clock())?;
        if changed.cursor > shown.cursor {
            centre.note_shown(changed.cursor)?;
        }
    }
}

/// Where a message stands in the stream, as the subject says by which it is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    sequence: i64,
    stored: i64,
    waiting: i64,
}

impl Place {
    /// `$JS.ACK.STREAM.CONSUMER.DELIVERED.SEQUENCE.OF-CONSUMER.TIME.WAITING`; newer servers write domain and account before the
    /// stream, and a token behind.
    fn of(reply: &str) -> Option<Self> {
        let words: Vec<&str> = reply.split('.').collect();
        let from = match words.len() {
            9 => 5,
            11.. => 7,
            _ => return None,
        };
        let number = |at: usize| words.get(at)?.parse().ok();
        Some(Self { sequence: number(from)?, stored: number(from + 2)?, waiting: number(from + 3)? })
    }
}

/// Connects, and makes stream and consumer where there are none.
fn connect(settings: &Settings) -> Result<Client, SendError> {
    let nats = &settings.nats;
    let mut client = Client::open(&nats.server, nats.tls.as_ref(), &nats.access, MOST_MESSAGE + MOST_HEAD)?;
    let (stream, consumer) = (&settings.stream, &settings.consumer);
    let wanted = [nats.subject.replace("{sensor}", "*"), nats.status_subject.replace("{sensor}", "*")];
    let info = client.ask(&format!("$JS.API.STREAM.INFO.{stream}"), b"")?;
    let info = if info["error"]["code"] == 404 {
        // A message stays until the centre has it; when the stream is full, sensors wait.
        let mut config = json!({
            "name": stream, "subjects": wanted, "retention": "workqueue", "storage": "file", "discard": "new",
            "max_bytes": settings.stream_size, "num_replicas": settings.replicas,
            "duplicate_window": 120_000_000_000_u64, "max_msg_size": MOST_MESSAGE + MOST_HEAD,
        });
        // An older server would throw the oldest message away in place of refusing the newest.
        if client.version() >= (2, 9, 2) {
            config["max_msgs_per_subject"] = MOST_WAITING.into();
            config["discard_new_per_subject"] = true.into();
        }
        asked(&mut client, &format!("$JS.API.STREAM.CREATE.{stream}"), &config)?
    } else {
        answer(&client, info)?
    };
    let has: Vec<&str> =
        info["config"]["subjects"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if let Some(missing) = wanted.iter().find(|subject| !has.iter().any(|known| covers(known, subject))) {
        return Err(SendError::Broken(format!(
            "{}: stream {stream} does not have the subject {missing}; add it: nats stream edit {stream} --subjects {}",
            client.server(),
            wanted.join(",")
        )));
    }
    let config = json!({ "stream_name": stream, "config": {
        "durable_name": consumer, "ack_policy": "explicit", "deliver_policy": "all",
        "ack_wait": u64::try_from(ACKNOWLEDGED.as_nanos()).unwrap_or(u64::MAX), "max_ack_pending": 20 * BATCH,
    } });
    asked(&mut client, &format!("$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{consumer}"), &config)?;
    Ok(client)
}

fn asked(client: &mut Client, subject: &str, question: &Value) -> Result<Value, SendError> {
    let told = client.ask(subject, question.to_string().as_bytes())?;
    answer(client, told)
}

fn answer(client: &Client, told: Value) -> Result<Value, SendError> {
    match told["error"]["description"].as_str() {
        Some(problem) => Err(SendError::Broken(format!("{}: JetStream: {problem}", client.server()))),
        None => Ok(told),
    }
}

/// Whether a stream with this subject gets what is published to another one.
fn covers(known: &str, subject: &str) -> bool {
    let mut wanted = subject.split('.');
    for part in known.split('.') {
        match (part, wanted.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (part, Some(word)) if part == word => {}
            _ => return false,
        }
    }
    wanted.next().is_none()
}

/// Whether a store shows a centre: then only its receiver applies what people ask for.
///
/// # Errors
/// As the store's.
pub fn is_view(store: &Path) -> Result<bool, StoreError> {
    ot_store::read::Reader::open(store)?.shows_fleet()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_in_the_stream_is_in_the_subject_of_the_acknowledgement() {
        let place = Some(Place { sequence: 42, stored: 1_700_000_000_000_000_000, waiting: 7 });
        assert_eq!(Place::of("$JS.ACK.OT.fleet.1.42.40.1700000000000000000.7"), place);
        assert_eq!(Place::of("$JS.ACK.hub.ACC.OT.fleet.1.42.40.1700000000000000000.7.x"), place);
        assert_eq!(Place::of("$JS.ACK.OT"), None);
    }

    #[test]
    fn subjects_of_streams_cover_those_of_sensors() {
        assert!(covers("ot-sensor.>", "ot-sensor.alerts.*"));
        assert!(covers("ot-sensor.*.*", "ot-sensor.alerts.*"));
        assert!(covers("ot-sensor.alerts.*", "ot-sensor.alerts.*"));
        assert!(!covers("ot-sensor.alerts.line-3", "ot-sensor.alerts.*"));
        assert!(!covers("ot-sensor.alerts", "ot-sensor.alerts.*"));
        assert!(!covers("ot-sensor.alerts.*.x", "ot-sensor.alerts.*"));
        assert!(!covers("ot-sensor.alerts.>", "ot-sensor.alerts"));
    }
}
