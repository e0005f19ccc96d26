//! What is kept of alerts, held against the plain reading of the rules.

#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use ot_capture::{CaptureError, CaptureSet, LinkType, Packet, Packets, Source};
use ot_evidence::{Folder, Limits, Origin, Want, pick};
use ot_protocol::{FrameRef, PacketInfo, Timestamp};

/// A packet between two hosts of a small network.
#[derive(Clone, Debug)]
struct Made {
    file: u32,
    frame: u64,
    time: i64,
    hosts: [u8; 2],
    data: Vec<u8>,
}

struct Memory(Vec<Made>);

impl Packets for Memory {
    fn each(&mut self, visit: &mut dyn FnMut(&Packet<'_>) -> ControlFlow<()>) -> Result<(), CaptureError> {
        for (number, made) in (1..).zip(&self.0) {
            let info = PacketInfo { number, frame: FrameRef::new(made.file, made.frame), time: Timestamp(made.time) };
            let wire_len = u32::try_from(made.data.len()).unwrap() + u32::from(number % 7 == 0);
            let packet = Packet { info, link: LinkType::Ethernet, interface: 0, wire_len, data: &made.data };
            if visit(&packet).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// An Ethernet frame with a UDP datagram; its payload makes it one of a kind.
fn frame(from: u8, to: u8, mark: u64) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 8, 0];
    bytes.extend([0x45, 0, 0, 36, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, from, 10, 0, 0, to]);
    bytes.extend([0, 9, 0, 9, 0, 16, 0, 0]);
    bytes.extend(mark.to_be_bytes());
    bytes
}

/// A stream of numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

const SECOND: i64 = 1_000_000_000;

fn traffic(random: &mut Random, count: usize) -> Vec<Made> {
    let mut time = 1_700_000_000 * SECOND;
    let mut frames = [0_u64; 2];
    (0..count)
        .map(|place| {
            time += i64::try_from(random.below(200_000_000)).unwrap();
            let file = usize::try_from(random.below(2)).unwrap();
            frames[file] += 1;
            let (a, b) = (u8::try_from(random.below(4)).unwrap(), u8::try_from(random.below(4)).unwrap());
            let data = frame(a, b, place as u64);
            Made { file: u32::try_from(file).unwrap(), frame: frames[file], time, hosts: [a.min(b), a.max(b)], data }
        })
        .collect()
}

/// Places of the packets that the rules ask for.
fn expected(made: &[Made], frames: &[FrameRef], limits: &Limits) -> BTreeSet<usize> {
    let triggers: Vec<usize> =
        (0..made.len()).filter(|at| frames.contains(&FrameRef::new(made[*at].file, made[*at].frame))).collect();
    let mut kept: BTreeSet<usize> = triggers.iter().copied().collect();
    for &anchor in [triggers.first(), triggers.last()].into_iter().flatten() {
        let same = |at: &usize| made[*at].hosts == made[anchor].hosts;
        kept.extend(
            (0..anchor)
                .rev()
                .filter(same)
                .take(limits.before_packets)
                .filter(|at| made[*at].time >= made[anchor].time - limits.before),
        );
        kept.extend(
            (anchor + 1..made.len())
                .filter(same)
                .take(limits.after_packets)
                .filter(|at| made[*at].time <= made[anchor].time + limits.after),
        );
    }
    kept
}

fn origin() -> Origin {
    Origin { sensor: "line-3".into(), run: 7, first_file: 0, paths: vec!["a.pcap".into(), "b.pcap".into()] }
}

#[test]
fn holds_what_the_rules_ask_for_and_nothing_else() {
    let mut random = Random(0x1234_5678_9abc_def1);
    for round in 0..40 {
        let made = traffic(&mut random, 600);
        let limits = Limits {
            before: i64::try_from(random.below(8)).unwrap() * SECOND,
            before_packets: usize::try_from(random.below(12)).unwrap(),
            after: i64::try_from(random.below(4)).unwrap() * SECOND,
            after_packets: usize::try_from(random.below(6)).unwrap(),
            ..Limits::default()
        };
        let wants: Vec<Want> = (0..25)
            .map(|number: u32| Want {
                id: format!("{number:032x}"),
                title: format!("Title {number}"),
                frames: (0..=random.below(6))
                    .map(|_| {
                        let of = &made[usize::try_from(random.below(600)).unwrap()];
                        FrameRef::new(of.file, of.frame)
                    })
                    .collect(),
            })
            .collect();
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::new(directory.path().join("evidence"));
        let picked = pick(&mut Memory(made.clone()), &wants, &origin(), &limits, &folder).unwrap();
        assert_eq!(picked.len(), wants.len());
        for picked in picked {
            let want = &wants[picked.want];
            let kept = expected(&made, &want.frames, &limits);
            let mut set = CaptureSet::open(std::slice::from_ref(&picked.file)).unwrap();
            let mut found = Vec::new();
            while let Some(packet) = set.next().unwrap() {
                found.push((packet.info.time.0, packet.wire_len, packet.data.to_vec()));
            }
            let wanted: Vec<_> = kept
                .iter()
                .map(|at| {
                    let made = &made[*at];
                    let wire = u32::try_from(made.data.len()).unwrap() + u32::from((at + 1) % 7 == 0);
                    (made.time, wire, made.data.clone())
                })
                .collect();
            assert_eq!(found, wanted, "round {round}, {want:?}, {limits:?}");
            assert_eq!(picked.packets as usize, kept.len());
            let distinct: BTreeSet<_> = want.frames.iter().collect();
            assert_eq!((picked.triggers as usize, picked.missing), (distinct.len(), 0));
            assert_eq!(picked.bytes, std::fs::metadata(&picked.file).unwrap().len());
            assert!(set.warnings().is_empty());
        }
    }
}

#[test]
fn a_file_stays_within_its_bytes_and_keeps_the_frames_that_made_the_alert() {
    let mut random = Random(99);
    let mut made = traffic(&mut random, 900);
    made.iter_mut().for_each(|made| made.hosts = [1, 2]);
    for (place, made) in made.iter_mut().enumerate() {
        made.data = frame(1, 2, place as u64);
        made.data.resize(500, 0);
    }
    let frame = |at: usize| FrameRef::new(made[at].file, made[at].frame);
    let wants = [Want { id: "0".repeat(32), title: "Title".into(), frames: vec![frame(300), frame(301), frame(800)] }];
    let limits = Limits { before: 100 * SECOND, alert_bytes: 20_000, ..Limits::default() };
    let directory = tempfile::tempdir().unwrap();
    let folder = Folder::new(directory.path().to_owned());
    let picked = pick(&mut Memory(made.clone()), &wants, &origin(), &limits, &folder).unwrap().pop().unwrap();
    assert!(picked.bytes <= 21_500, "{}", picked.bytes);
    assert_eq!(picked.triggers, 3);
    assert!(picked.left_out > 0 && picked.packets > 20, "{picked:?}");
    let text = String::from_utf8_lossy(&std::fs::read(&picked.file).unwrap()).into_owned();
    assert_eq!(text.matches("trigger of alert").count(), 3);
    assert!(text.contains(&format!("Title; frame {} of ", made[300].frame)));
}

#[test]
fn frames_that_are_gone_are_counted() {
    let mut random = Random(5);
    let made = traffic(&mut random, 50);
    let there = FrameRef::new(made[20].file, made[20].frame);
    let gone = FrameRef::new(1_u32, 9_999);
    let wants = [
        Want { id: "1".repeat(32), title: "Title".into(), frames: vec![there, gone] },
        Want { id: "2".repeat(32), title: "Title".into(), frames: vec![gone] },
    ];
    let directory = tempfile::tempdir().unwrap();
    let folder = Folder::new(directory.path().to_owned());
    let picked = pick(&mut Memory(made), &wants, &origin(), &Limits::default(), &folder).unwrap();
    assert_eq!(picked.len(), 1);
    assert_eq!((picked[0].want, picked[0].triggers, picked[0].missing), (0, 1, 1));
}
