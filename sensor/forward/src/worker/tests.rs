use super::*;
use crate::settings::{Filter, LogFile, Nats, Target};
use crate::trial::sample;
use ot_engine::catalogue::Severity;
use std::sync::{Mutex, MutexGuard};

/// What a receiver saw, and how it behaves.
#[derive(Default)]
struct Receiver {
    got: Vec<String>,
    /// Messages that it has in its memory and loses when it dies.
    unread: Vec<String>,
    down: bool,
    connections: u32,
    refuse: Option<String>,
    settle: Duration,
    answers: bool,
    /// Statuses that it does not take yet.
    deaf: u32,
    statuses: u32,
}

type Shared = Arc<Mutex<Receiver>>;

fn lock(shared: &Shared) -> MutexGuard<'_, Receiver> {
    shared.lock().unwrap()
}

struct FakeSink {
    receiver: Shared,
    connection: u32,
}

impl FakeSink {
    fn stands(&self) -> Result<(), SendError> {
        let receiver = lock(&self.receiver);
        if receiver.down || receiver.connections != self.connection {
            return Err(SendError::Broken("down".into()));
        }
        Ok(())
    }
}

impl Sink for FakeSink {
    fn send(&mut self, message: &AlertMessage) -> Result<(), SendError> {
        // What is written to a connection that has just died goes nowhere, without an error.
        let mut receiver = lock(&self.receiver);
        if receiver.answers && receiver.down {
            return Err(SendError::Broken("down".into()));
        }
        if receiver.refuse.as_ref() == Some(&message.id) {
            return Err(SendError::Refused("400".into()));
        }
        if receiver.settle.is_zero() {
            receiver.got.push(message.id.clone())
        } else {
            receiver.unread.push(message.id.clone())
        }
        Ok(())
    }

    fn tell(&mut self, _status: &StatusMessage) -> Result<(), SendError> {
        let mut receiver = lock(&self.receiver);
        if receiver.deaf > 0 {
            receiver.deaf -= 1;
            return Err(SendError::Broken("timed out".into()));
        }
        receiver.statuses += 1;
        Ok(())
    }

    fn settle(&self) -> Duration {
        lock(&self.receiver).settle
    }

    fn answers(&self) -> bool {
        lock(&self.receiver).answers
    }

    fn check(&mut self) -> Result<(), SendError> {
        self.stands()
    }

    fn finish(&mut self) -> Result<(), SendError> {
        self.stands()?;
        let mut receiver = lock(&self.receiver);
        let unread = std::mem::take(&mut receiver.unread);
        receiver.got.extend(unread);
        Ok(())
    }
}

#[derive(Default)]
struct FakeFeed {
    rows: Vec<(u64, Option<&'static str>)>,
    floor: u64,
    /// How often it said how the sensor is, and how often that was taken.
    asked: u32,
    taken: u32,
}

impl Feed for FakeFeed {
    fn next(&mut self, after: u64) -> Result<Vec<Item>, String> {
        let rows = self.rows.iter().filter(|(sequence, _)| *sequence > after.max(self.floor)).take(BATCH as usize);
        Ok(rows
            .map(|&(sequence, severity)| Item {
                sequence,
                message: severity.map(|severity| {
                    let mut message = sample();
                    (message.sequence, message.id) = (sequence, format!("m{sequence}"));
                    message.alert.severity = severity.to_owned();
                    message
                }),
            })
            .collect())
    }

    fn newest(&mut self) -> Result<u64, String> {
        Ok(self.rows.last().map_or(0, |row| row.0))
    }

    fn floor(&mut self) -> Result<u64, String> {
        Ok(self.floor)
    }

    fn status(&mut self) -> Result<Option<StatusMessage>, String> {
        self.asked += 1;
        Ok(Some(StatusMessage {
            schema: 1,
            kind: "status".into(),
            sensor: "line-3".into(),
            site: None,
            version: String::new(),
            time: NOW.to_string(),
            uptime_seconds: 0,
            health: ot_views::health::HealthView { status: "ok", reasons: Vec::new() },
            outbox: None,
            newest: 0,
            told: 0,
            waiting: 0,
            oldest_waiting: None,
            lost: 0,
            refused: 0,
            newest_packet: None,
            again: Vec::new(),
        }))
    }

    fn told(&mut self) {
        self.taken += 1;
    }
}

fn worker(receiver: &Shared, rows: Vec<(u64, Option<&'static str>)>, from: u64) -> Worker<FakeFeed> {
    let mut destination = Destination::new("siem", Target::File(LogFile::new("x".into())));
    destination.filter = Filter { min_severity: Some(Severity::Major), ..Filter::default() };
    destination.retry_most = Duration::from_secs(2);
    destination.rate = 1_000;
    let row = DestinationRow { name: "siem".into(), cursor: from, ..DestinationRow::default() };
    let to = Arc::clone(receiver);
    let open: Open = Box::new(move || {
        let mut receiver = lock(&to);
        if receiver.down {
            return Err(SendError::Broken("connection refused".into()));
        }
        receiver.connections += 1;
        Ok(Box::new(FakeSink { receiver: Arc::clone(&to), connection: receiver.connections }))
    });
    Worker::new(destination, row, FakeFeed { rows, ..FakeFeed::default() }, open, Arc::default(), Instant::now())
}

const NOW: Timestamp = Timestamp(1);

/// Lets time go on in tenths of a second.
fn run(worker: &mut Worker<FakeFeed>, clock: &mut Instant, tenths: u32) {
    for _ in 0..tenths {
        while worker.step(*clock, NOW) == Step::Worked {}
        *clock += Duration::from_millis(100);
    }
}

#[test]
fn what_passes_is_delivered_in_order_and_everything_is_counted() {
    let receiver = Shared::default();
    let rows = vec![(3, Some("critical")), (4, Some("minor")), (5, None), (9, Some("major"))];
    let mut worker = worker(&receiver, rows, 0);
    let mut clock = Instant::now();
    run(&mut worker, &mut clock, 3);
    assert_eq!(lock(&receiver).got, ["m3", "m9"]);
    let row = worker.row();
    assert_eq!((row.cursor, row.delivered, row.passed_over, row.lost, row.failures), (9, 2, 1, 1, 0));
    assert_eq!(row.last_message.as_deref(), Some("m9"));
    assert!(worker.take_changed().is_some() && worker.take_changed().is_none());
    assert_eq!(worker.step(clock, NOW), Step::Idle);
}

#[test]
fn a_receiver_that_is_down_is_tried_again_with_growing_waits() {
    let receiver = Shared::default();
    lock(&receiver).down = true;
    let mut worker = worker(&receiver, vec![(1, Some("major"))], 0);
    let mut clock = Instant::now();
    run(&mut worker, &mut clock, 1);
    assert_eq!(worker.row().last_error.as_deref(), Some("connection refused"));
    // 0.5, 1, 2, 2 … seconds: in the ten seconds after the first try, 5 or 6 more.
    run(&mut worker, &mut clock, 100);
    assert!((6..=7).contains(&worker.row().attempts), "{}", worker.row().attempts);
    assert_eq!((worker.row().cursor, worker.row().delivered), (0, 0));
    lock(&receiver).down = false;
    run(&mut worker, &mut clock, 25);
    assert_eq!((worker.row().cursor, worker.row().delivered, worker.row().attempts), (1, 1, 0));
    assert!(worker.row().failures >= 6 && worker.row().last_error.is_some());
}

#[test]
fn what_a_connection_took_shortly_before_it_broke_is_sent_again() {
    let receiver = Shared::default();
    lock(&receiver).settle = Duration::from_secs(5);
    let mut worker = worker(&receiver, (1..=3).map(|n| (n, Some("major"))).collect(), 0);
    let mut clock = Instant::now();
    run(&mut worker, &mut clock, 10);
    assert_eq!(lock(&receiver).unread, ["m1", "m2", "m3"]);
    assert_eq!(worker.row().cursor, 0, "not settled");
    {
        // It dies with what it had not read, and is back at once.
        let mut receiver = lock(&receiver);
        receiver.unread.clear();
        receiver.connections += 1;
    }
    run(&mut worker, &mut clock, 60);
    assert_eq!(lock(&receiver).unread, ["m1", "m2", "m3"], "sent again");
    run(&mut worker, &mut clock, 60);
    assert_eq!((worker.row().cursor, worker.row().delivered), (3, 3));
    assert_eq!(lock(&receiver).unread.len(), 3, "once it has settled it is not sent again");
}

#[test]
fn an_end_in_order_leaves_nothing_underway() {
    let receiver = Shared::default();
    lock(&receiver).settle = Duration::from_secs(5);
    let mut worker = worker(&receiver, vec![(1, Some("major")), (2, Some("warning"))], 0);
    let mut clock = Instant::now();
    run(&mut worker, &mut clock, 1);
    assert!(worker.is_underway());
    worker.finish(clock, NOW);
    assert!(!worker.is_underway());
    assert_eq!((worker.row().cursor, worker.row().delivered, worker.row().passed_over), (2, 1, 1));
    assert_eq!(lock(&receiver).got, ["m1"]);
}

#[test]
fn a_message_that_is_refused_is_passed_over_after_five_tries_and_the_others_get_there_once() {
    let receiver = Shared::default();
    {
        let mut receiver = lock(&receiver);
        (receiver.answers, receiver.refuse) = (true, Some("m2".into()));
    }
    let mut worker = worker(&receiver, (1..=3).map(|n| (n, Some("major"))).collect(), 0);
    let mut clock = Instant::now();
    run(&mut worker, &mut clock, 100);
    assert_eq!(lock(&receiver).got, ["m1", "m3"]);
    let row = worker.row();
    assert_eq!((row.cursor, row.delivered, row.refused, row.failures), (3, 2, 1, 4));
    assert!(row.last_error.as_deref().is_some_and(|error| error.contains("message m2 was passed over")), "{row:?}");
}

#[test]
fn what_left_the_outbox_before_it_was_delivered_is_counted() {
    let receiver = Shared::default();
    let mut worker = worker(&receiver, (1..=30).map(|n| (n, Some("major"))).collect(), 4);
    worker.feed.floor = 20;
    let mut clock = Instant::now();
    run(&mut worker, &mut clock, 3);
    assert_eq!((worker.row().cursor, worker.row().lost, worker.row().delivered), (30, 16, 10));
}

#[test]
fn the_rate_holds() {
    let receiver = Shared::default();
    let mut worker = worker(&receiver, (1..=200).map(|n| (n, Some("major"))).collect(), 0);
    worker.rate = Rate::new(20, Instant::now());
    let mut clock = Instant::now();
    run(&mut worker, &mut clock, 50);
    let got = lock(&receiver).got.len();
    assert!((100..=120).contains(&got), "{got} in five seconds at 20 a second, and 20 at once");
}

#[test]
fn a_status_counts_as_told_once_it_was_taken() {
    let receiver = Shared::default();
    lock(&receiver).deaf = 1;
    let mut worker = worker(&receiver, Vec::new(), 0);
    let nats = Nats { status_every: Some(Duration::from_secs(60)), ..Nats::parse("nats://x").unwrap() };
    worker.destination.target = Target::Nats(nats);
    let mut clock = Instant::now();
    worker.status_at = Some(clock);
    run(&mut worker, &mut clock, 1);
    assert_eq!((worker.feed.asked, worker.feed.taken, lock(&receiver).statuses), (1, 0, 0));
    run(&mut worker, &mut clock, 20);
    assert_eq!((worker.feed.asked, worker.feed.taken, lock(&receiver).statuses), (2, 1, 1));
}
