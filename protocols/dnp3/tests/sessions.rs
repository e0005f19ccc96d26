//! Whole conversations: literal fragments in, activities, messages and identities out.

mod common;

use common::{MASTER, OUTSTATION, crc, frame, frames, request, response};
use ot_dnp3::DNP3;
use ot_protocol::conformance::{self, Player, Random, Script, play};
use ot_protocol::time::SECOND;
use ot_protocol::{Activity, Direction, FieldValue, Finish, Message, Operation, Outcome, Protocol, SubAddress, Values};

const A: Direction = Direction::AtoB;
const B: Direction = Direction::BtoA;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| u8::try_from(char::from(byte).to_digit(16).expect("a digit")).expect("below 16"))
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn script(segments: Vec<(Direction, Vec<u8>)>) -> Script {
    Script { client: Some(A), ports: [40000, 20000], segments }
}

fn run(segments: Vec<(Direction, Vec<u8>)>) -> Player {
    play(&DNP3, &script(segments))
}

/// Request and response, each a fragment.
fn exchange(asked: &str, answered: &str) -> Player {
    let player = run(vec![(A, request(&hex(asked))), (B, response(&hex(answered)))]);
    assert_eq!(player.recorder.skipped, 0);
    player
}

fn clean(asked: &str, answered: &str) -> Vec<Activity> {
    let player = exchange(asked, answered);
    for activity in &player.recorder.activities {
        assert!(activity.violations.is_empty(), "{:#?}", activity.violations);
        assert_eq!(activity.client.sub, SubAddress::Link(MASTER));
        assert_eq!(activity.server.sub, SubAddress::Link(OUTSTATION));
        assert_eq!((activity.client.port, activity.server.port), (40000, 20000));
        assert_eq!(activity.latency, Some(1_000_000));
        assert_eq!((activity.frames[0].number(), activity.frames[1].number()), (1, 2));
        assert_eq!(activity.sender, A);
    }
    player.recorder.activities
}

fn one(asked: &str, answered: &str) -> Activity {
    let activities = clean(asked, answered);
    assert_eq!(activities.len(), 1, "{activities:#?}");
    activities[0].clone()
}

fn addressed(activity: &Activity) -> (&'static str, u32, u32) {
    (activity.target.space, activity.target.start, activity.target.count)
}

fn rules(player: &Player) -> Vec<&'static str> {
    let all = player.recorder.activities.iter().flat_map(|activity| &activity.violations);
    all.map(|violation| violation.rule).collect()
}

fn field(message: &Message, name: &str) -> Vec<FieldValue> {
    message.fields.iter().filter(|(field, _)| *field == name).map(|(_, value)| value.clone()).collect()
}

fn numbers(values: &[u64]) -> Vec<FieldValue> {
    values.iter().map(|value| FieldValue::Unsigned(*value)).collect()
}

const CROB: &str = "0C 01 17 01 05 03 01 64000000 C8000000 00";

// Functions.

#[test]
fn function_0() {
    let player = run(vec![(B, response(&hex("F3 82 0000"))), (A, request(&hex("D3 00")))]);
    let activities = &player.recorder.activities;
    assert_eq!(activities.len(), 2);
    assert_eq!((activities[0].function.code, activities[0].operation), (130, Operation::Session));
    assert_eq!((activities[1].function.name, activities[1].operation), ("Confirm", Operation::Session));
    assert_eq!(activities[1].outcome, Outcome::Ok);
    assert!(rules(&player).is_empty());
}

#[test]
fn function_1_classes() {
    let poll = one("C1 01 3C0206 3C0306 3C0406", "C1 81 0000");
    assert_eq!((poll.operation, poll.outcome), (Operation::Read, Outcome::Ok));
    assert_eq!(addressed(&poll), ("classes", 0b1110, 0));
    let integrity = one("C1 01 3C0206 3C0306 3C0406 3C0106", "C1 81 0000");
    assert_eq!(addressed(&integrity), ("classes", 0b1111, 0));
}

#[test]
fn function_1_values() {
    let activities =
        clean("C1 01 3C0106", "C1 81 0000 0102 00 0304 81 01 1E02 00 0001 01 0500 01 FFFF 1401 00 0000 01 09000000");
    assert_eq!(activities.len(), 4);
    // Which points a class has is the outstation's choice: they are told as its response.
    assert!(activities[..3].iter().all(|activity| activity.function.code == 129));
    assert_eq!(addressed(&activities[0]), ("binary-inputs", 3, 2));
    assert_eq!(activities[0].values, Values::Bits(vec![true, false]));
    assert_eq!(addressed(&activities[1]), ("analog-inputs", 0, 2));
    assert_eq!(activities[1].values, Values::Numbers(vec![5.0, -1.0]));
    assert_eq!(addressed(&activities[2]), ("counters", 0, 1));
    assert_eq!(activities[2].values, Values::Numbers(vec![9.0]));
    assert_eq!(addressed(&activities[3]), ("classes", 1, 0));
    // What is asked for by its range comes with its values.
    let range = one("C1 01 1E02 00 0001", "C1 81 0000 1E02 00 0001 01 0500 01 0600");
    assert_eq!((range.function.code, addressed(&range)), (1, ("analog-inputs", 0, 2)));
    assert_eq!(range.values, Values::Numbers(vec![5.0, 6.0]));
    // All of a group.
    let all = clean("C1 01 1E00 06", "C1 81 0000 1E04 00 0707 0500");
    assert_eq!((addressed(&all[0]), addressed(&all[1])), (("analog-inputs", 7, 1), ("analog-inputs", 0, 0)));
}

#[test]
fn function_1_events() {
    // Neighbours in one, wherever a run breaks a new one; the same index twice breaks it as well.
    let activities = clean("C1 01 3C0206", "C1 81 0000 0201 17 05 03 81 04 01 09 81 09 01 0A 81");
    let told: Vec<_> = activities.iter().map(|activity| (addressed(activity), activity.values.clone())).collect();
    assert_eq!(told[0], (("binary-inputs", 3, 2), Values::Bits(vec![true, false])));
    assert_eq!(told[1], (("binary-inputs", 9, 1), Values::Bits(vec![true])));
    assert_eq!(told[2], (("binary-inputs", 9, 2), Values::Bits(vec![false, true])));
    assert_eq!(told[3].0, ("classes", 2, 0));
}

#[test]
fn function_1_too_many_runs() {
    let mut answer = hex("C1 81 0000 0201 28 6400");
    for index in 0..100_u16 {
        answer.extend((index * 2).to_le_bytes());
        answer.push(0x81);
    }
    let player = run(vec![(A, request(&hex("C1 01 3C0206"))), (B, response(&answer))]);
    assert_eq!(player.recorder.activities.len(), 65);
    assert_eq!(player.recorder.evicted, 1);
}

#[test]
fn function_2() {
    let time = one("C1 02 3201 07 01 00E40B540100", "C1 81 0000");
    assert_eq!((time.operation, addressed(&time)), (Operation::TimeSet, ("time", 0, 0)));
    assert_eq!(time.values, Values::Numbers(vec![5_705_032_704.0]));
    let restart = one("C1 02 5001 00 0707 00", "C1 81 0000");
    assert_eq!((restart.operation, addressed(&restart)), (Operation::Diagnose, ("indications", 7, 1)));
    assert_eq!(restart.values, Values::Bits(vec![false]));
    let deadband = one("C1 02 2201 17 02 04 0500 05 0600", "C1 81 0000");
    assert_eq!((deadband.operation, addressed(&deadband)), (Operation::Write, ("analog-input-deadbands", 4, 2)));
    assert_eq!(deadband.values, Values::Numbers(vec![5.0, 6.0]));
    let output = one("C1 02 0A01 00 0002 05", "C1 81 0000");
    assert_eq!((output.operation, addressed(&output)), (Operation::Control, ("binary-outputs", 0, 3)));
    assert_eq!(output.values, Values::Bits(vec![true, false, true]));
    let string = one("C1 02 6E02 00 0303 4142", "C1 81 0000");
    assert_eq!((string.operation, addressed(&string)), (Operation::Write, ("octet-strings", 3, 1)));
    let attribute = one("C1 02 00F5 00 0000 0102 4142", "C1 81 0000");
    assert_eq!((attribute.operation, addressed(&attribute)), (Operation::ConfigWrite, ("device-attributes", 245, 1)));
}

#[test]
fn functions_3_and_4() {
    let player = run(vec![
        (A, request(&hex(&format!("C1 03 {CROB}")))),
        (B, response(&hex(&format!("C1 81 0000 {CROB}")))),
        (A, request(&hex(&format!("C2 04 {CROB}")))),
        (B, response(&hex(&format!("C2 81 0000 {CROB}")))),
    ]);
    let activities = &player.recorder.activities;
    assert!(rules(&player).is_empty(), "{activities:#?}");
    assert_eq!(activities.len(), 2);
    for (activity, name) in activities.iter().zip(["Select: Latch On", "Operate: Latch On"]) {
        assert_eq!((activity.function.name, activity.function.sub), (name, Some(3)));
        assert_eq!((activity.operation, activity.outcome), (Operation::Control, Outcome::Ok));
        assert_eq!(addressed(activity), ("binary-outputs", 5, 1));
        assert_eq!(activity.values, Values::Bits(vec![true]));
    }
}

#[test]
fn function_4_alone() {
    let player =
        exchange(&format!("C2 04 {CROB}"), &format!("C2 81 0000 {}", CROB.replace("C8000000 00", "C8000000 02")));
    assert_eq!(rules(&player), ["dnp3-operate-without-select"]);
    assert_eq!(player.recorder.activities[0].outcome, Outcome::Rejected(0x102, "No Select"));
    // In the middle of a conversation its select may have been before.
    let mut script = script(vec![(A, request(&hex(&format!("C2 04 {CROB}"))))]);
    script.client = None;
    assert!(rules(&play(&DNP3, &script)).is_empty());
}

#[test]
fn function_5() {
    // Several controls: neighbours with the same operation together, refusals apart.
    let blocks = |statuses: [u8; 4]| {
        let mut bytes = hex("0C 01 28 0400");
        for ((index, control), status) in [(0, 0x41_u8), (1, 0x41), (2, 0x81), (9, 0x81)].into_iter().zip(statuses) {
            bytes.extend([index, 0, control, 1]);
            bytes.extend([0; 8]);
            bytes.push(status);
        }
        bytes
    };
    let asked = [hex("C1 05"), blocks([0; 4])].concat();
    let answered = [hex("C1 81 0000"), blocks([0, 0, 0, 4])].concat();
    let player = run(vec![(A, request(&asked)), (B, response(&answered))]);
    let told: Vec<_> = player
        .recorder
        .activities
        .iter()
        .map(|activity| (activity.function.name, addressed(activity), activity.outcome, activity.values.clone()))
        .collect();
    assert_eq!(
        told,
        [
            ("Direct Operate: Close", ("binary-outputs", 0, 2), Outcome::Ok, Values::Bits(vec![true, true])),
            ("Direct Operate: Trip", ("binary-outputs", 2, 1), Outcome::Ok, Values::Bits(vec![false])),
            (
                "Direct Operate: Trip",
                ("binary-outputs", 9, 1),
                Outcome::Rejected(0x104, "Not Supported"),
                Values::Bits(vec![false])
            ),
        ]
    );
}

#[test]
fn function_5_analog() {
    for (object, value) in [
        ("2901 17 01 07 FEFFFFFF 00", -2.0),
        ("2902 17 01 07 0500 00", 5.0),
        ("2903 17 01 07 0000C03F 00", 1.5),
        ("2904 17 01 07 000000000000F83F 00", 1.5),
    ] {
        let activity = one(&format!("C1 05 {object}"), &format!("C1 81 0000 {object}"));
        assert_eq!((activity.operation, addressed(&activity)), (Operation::Control, ("analog-outputs", 7, 1)));
        assert_eq!(activity.values, Values::Numbers(vec![value]));
    }
}

#[test]
fn functions_without_an_answer() {
    for (code, name, operation) in [
        ("06", "Direct Operate No Ack: Latch On", Operation::Control),
        ("08", "Immediate Freeze No Ack", Operation::Freeze),
        ("0A", "Freeze and Clear No Ack", Operation::Freeze),
        ("0C", "Freeze at Time No Ack", Operation::Freeze),
    ] {
        let object = if code == "06" { CROB } else { "1400 06" };
        let player = run(vec![(A, request(&hex(&format!("C1 {code} {object}"))))]);
        let activities = &player.recorder.activities;
        assert_eq!((activities.len(), activities[0].function.name), (1, name));
        assert_eq!((activities[0].operation, activities[0].outcome), (operation, Outcome::Pending));
        assert!(!player.wants_tick());
    }
}

#[test]
fn functions_7_9_11() {
    for code in ["07", "09"] {
        let activity = one(&format!("C1 {code} 1400 00 0207"), "C1 81 0000");
        assert_eq!((activity.operation, addressed(&activity)), (Operation::Freeze, ("counters", 2, 6)));
    }
    let activities = clean("C1 0B 3202 07 01 000000000000 E8030000 1400 06", "C1 81 0000");
    assert_eq!(activities.len(), 2);
    assert_eq!((addressed(&activities[0]), addressed(&activities[1])), (("time", 0, 0), ("counters", 0, 0)));
}

#[test]
fn functions_without_objects() {
    for (code, operation, name) in [
        ("0D", Operation::Restart, "Cold Restart"),
        ("0E", Operation::Restart, "Warm Restart"),
        ("10", Operation::ModeRun, "Initialize Application"),
        ("11", Operation::ModeRun, "Start Application"),
        ("12", Operation::ModeStop, "Stop Application"),
        ("17", Operation::Diagnose, "Delay Measurement"),
        ("18", Operation::TimeSet, "Record Current Time"),
    ] {
        let activity = one(&format!("C1 {code}"), "C1 81 0000 3402 07 01 E803");
        assert_eq!((activity.operation, activity.function.name), (operation, name));
        assert_eq!(activity.target.space, "");
    }
    for (code, rule) in [("0F", "dnp3-obsolete-initialize"), ("13", "dnp3-obsolete-save-config")] {
        let player = exchange(&format!("C1 {code}"), "C1 81 0000");
        assert_eq!(rules(&player), [rule]);
        assert_eq!(player.recorder.activities[0].operation, Operation::ConfigWrite);
    }
}

#[test]
fn functions_20_to_22() {
    let on = one("C1 14 3C0206 3C0306 3C0406", "C1 81 0000");
    assert_eq!((on.operation, addressed(&on)), (Operation::CommsOn, ("classes", 0b1110, 0)));
    let off = one("C1 15 3C0206", "C1 81 0000");
    assert_eq!((off.operation, addressed(&off)), (Operation::CommsOff, ("classes", 0b10, 0)));
    let activities = clean("C1 16 3C0206 0100 06 3C0106 1E00 00 0003", "C1 81 0000");
    assert_eq!(activities.len(), 2);
    assert_eq!((activities[0].operation, activities[0].function.sub), (Operation::ConfigWrite, Some(1)));
    assert_eq!(addressed(&activities[0]), ("binary-inputs", 0, 0));
    assert_eq!((activities[1].function.sub, addressed(&activities[1])), (Some(0), ("analog-inputs", 0, 4)));
}

/// A file command for a name.
fn file_command(name: &str, mode: &str) -> String {
    let hexed: String = name.bytes().map(|byte| format!("{byte:02X}")).collect();
    let (size, length) = (26 + name.len(), name.len());
    format!("4603 5B 01 {size:02X}00 1A00 {length:02X}00 000000000000 FF01 00000000 09000000 {mode} 0004 0600 {hexed}")
}

#[test]
fn functions_25_to_30() {
    let player = run(vec![
        (A, request(&hex(&format!("C1 19 {}", file_command("./a.txt", "0200"))))),
        (B, response(&hex("C1 81 0000 4604 5B 01 0D00 78563412 09000000 0004 0600 00"))),
        (A, request(&hex("C2 02 4605 5B 01 0B00 78563412 00000080 616263"))),
        (B, response(&hex("C2 81 0000 4606 5B 01 0900 78563412 00000080 00"))),
        (A, request(&hex("C3 1A 4604 5B 01 0D00 78563412 00000000 0000 0700 00"))),
        (B, response(&hex("C3 81 0000 4604 5B 01 0D00 78563412 00000000 0000 0700 00"))),
    ]);
    let activities = &player.recorder.activities;
    assert!(rules(&player).is_empty());
    let told: Vec<_> = activities.iter().map(|a| (a.function.code, a.operation, a.target.name.as_deref())).collect();
    let name = Some("./a.txt");
    assert_eq!(told, [(25, Operation::File, name), (2, Operation::File, name), (26, Operation::File, name)]);
    assert!(activities.iter().all(|activity| activity.target.space == "file" && activity.outcome == Outcome::Ok));
    let messages = &player.recorder.messages;
    assert_eq!(field(&messages[0], "dnp3.al.file_name"), [FieldValue::Text("./a.txt".to_owned())]);
    assert_eq!(field(&messages[1], "dnp3.al.file.handle"), numbers(&[0x1234_5678]));
    assert_eq!(field(&messages[2], "dnp3.al.file.data"), [FieldValue::Bytes(b"abc".to_vec())]);

    let refused = exchange(
        &format!("C1 1B {}", file_command("logic.st", "0000")),
        "C1 81 0000 4604 5B 01 0D00 00000000 00000000 0000 0600 03",
    );
    let refused = &refused.recorder.activities[0];
    assert_eq!((refused.operation, refused.target.name.as_deref()), (Operation::ProgramDelete, Some("logic.st")));
    assert_eq!(refused.outcome, Outcome::Rejected(0x203, "File Not Found"));
    let firmware = one(&format!("C1 19 {}", file_command("firmware.bin", "0200")), "C1 81 0000");
    assert_eq!(firmware.operation, Operation::Firmware);
    let program = one(&format!("C1 19 {}", file_command("logic.st", "0100")), "C1 81 0000");
    assert_eq!(program.operation, Operation::ProgramRead);
    let info = one("C1 1C 4607 5B 01 1500 1400 0100 0100 00000000 000000000000 FF01 0100 61", "C1 81 0000");
    assert_eq!((info.operation, info.target.name.as_deref()), (Operation::ConfigRead, Some("a")));
    let authenticate = one("C1 1D 4602 5B 01 0E00 0C00 0100 0D00 0100 00000000 75 70", "C1 81 0000");
    assert_eq!(authenticate.operation, Operation::Authenticate);
    let abort = one("C1 1E 4604 5B 01 0D00 01000000 00000000 0000 0600 00", "C1 81 0000");
    assert_eq!(abort.operation, Operation::File);
}

#[test]
fn functions_31_to_33_and_131() {
    let activate = one("C1 1F 5A01 5B 01 0200 4142", "C1 81 0000 5B01 5B 01 0500 0000000000");
    assert_eq!((activate.operation, activate.target.space), (Operation::ConfigWrite, "objects"));
    assert_eq!(activate.target.number, Some(0x5A01));
    let status = one("C1 20 7804 07 01 0100", "C1 83 0000 7805 5B 01 0B00 00000000 0100 01 01 00 0000");
    assert_eq!((status.operation, status.outcome), (Operation::Authenticate, Outcome::Ok));
    let failed = one(
        "C1 20 7802 5B 01 0A00 00000000 0100 01020304",
        "C1 83 0000 7807 5B 01 0F00 01000000 0100 0000 01 000000000000",
    );
    assert_eq!(failed.outcome, Outcome::Rejected(0x301, "Authentication Failed"));
    let told = run(vec![(A, request(&hex("C1 21 7807 5B 01 0F00 01000000 0100 0000 07 000000000000")))]);
    let told = &told.recorder.activities[0];
    assert_eq!((told.function.code, told.outcome), (33, Outcome::Rejected(0x307, "Authorization Failed")));
}

#[test]
fn a_challenge_is_no_answer() {
    let player = run(vec![
        (A, request(&hex("C1 0D"))),
        (B, response(&hex("C1 83 0000 7801 5B 01 0C00 00000000 0100 04 01 01020304"))),
        (A, request(&hex("C1 20 7802 5B 01 0A00 00000000 0100 01020304"))),
        (B, response(&hex("C1 81 0000"))),
    ]);
    let told: Vec<_> = player.recorder.activities.iter().map(|a| (a.function.code, a.outcome)).collect();
    assert!(told.contains(&(131, Outcome::Ok)), "{told:?}");
    assert!(rules(&player).is_empty());
}

#[test]
fn reserved_functions() {
    for code in ["22", "70", "7F"] {
        let player = run(vec![(A, request(&hex(&format!("C1 {code} 0102"))))]);
        assert_eq!(rules(&player), ["dnp3-reserved-function"]);
        let activity = &player.recorder.activities[0];
        assert_eq!((activity.operation, activity.function.code), (Operation::Unknown, u16::from(hex(code)[0])));
    }
    let player = run(vec![(B, response(&hex("C1 90 0000")))]);
    assert_eq!(rules(&player), ["dnp3-reserved-function"]);
}

// Objects.

#[test]
fn values_of_each_group() {
    for (object, space, values) in [
        ("0101 00 0003 05", "binary-inputs", Values::Bits(vec![true, false, true, false])),
        ("0102 00 0000 81", "binary-inputs", Values::Bits(vec![true])),
        ("0201 17 01 00 81", "binary-inputs", Values::Bits(vec![true])),
        ("0202 17 01 00 81 000000000000", "binary-inputs", Values::Bits(vec![true])),
        ("0203 17 01 00 81 0100", "binary-inputs", Values::Bits(vec![true])),
        ("0301 00 0001 09", "double-bit-inputs", Values::Numbers(vec![1.0, 2.0])),
        ("0302 00 0000 81", "double-bit-inputs", Values::Numbers(vec![2.0])),
        ("0401 17 01 00 41", "double-bit-inputs", Values::Numbers(vec![1.0])),
        ("0402 17 01 00 41 000000000000", "double-bit-inputs", Values::Numbers(vec![1.0])),
        ("0403 17 01 00 C1 0100", "double-bit-inputs", Values::Numbers(vec![3.0])),
        ("0A01 00 0000 01", "binary-outputs", Values::Bits(vec![true])),
        ("0A02 00 0000 81", "binary-outputs", Values::Bits(vec![true])),
        ("0B01 17 01 00 01", "binary-outputs", Values::Bits(vec![false])),
        ("0B02 17 01 00 81 000000000000", "binary-outputs", Values::Bits(vec![true])),
        ("1401 00 0000 01 01000000", "counters", Values::Numbers(vec![1.0])),
        ("1402 00 0000 01 0100", "counters", Values::Numbers(vec![1.0])),
        ("1405 00 0000 FFFFFFFF", "counters", Values::Numbers(vec![4_294_967_295.0])),
        ("1406 00 0000 FFFF", "counters", Values::Numbers(vec![65535.0])),
        ("1501 00 0000 01 01000000", "frozen-counters", Values::Numbers(vec![1.0])),
        ("1505 00 0000 01 01000000 000000000000", "frozen-counters", Values::Numbers(vec![1.0])),
        ("1509 00 0000 01000000", "frozen-counters", Values::Numbers(vec![1.0])),
        ("1601 17 01 00 01 01000000", "counters", Values::Numbers(vec![1.0])),
        ("1605 17 01 00 01 01000000 000000000000", "counters", Values::Numbers(vec![1.0])),
        ("1702 17 01 00 01 0100", "frozen-counters", Values::Numbers(vec![1.0])),
        ("1E01 00 0000 01 FFFFFFFF", "analog-inputs", Values::Numbers(vec![-1.0])),
        ("1E03 00 0000 FFFFFFFF", "analog-inputs", Values::Numbers(vec![-1.0])),
        ("1E04 00 0000 FFFF", "analog-inputs", Values::Numbers(vec![-1.0])),
        ("1E05 00 0000 01 0000C03F", "analog-inputs", Values::Numbers(vec![1.5])),
        ("1E06 00 0000 01 000000000000F83F", "analog-inputs", Values::Numbers(vec![1.5])),
        ("1F03 00 0000 01 05000000 000000000000", "frozen-analog-inputs", Values::Numbers(vec![5.0])),
        ("2003 17 01 00 01 05000000 000000000000", "analog-inputs", Values::Numbers(vec![5.0])),
        ("2007 17 01 00 01 0000C03F 000000000000", "analog-inputs", Values::Numbers(vec![1.5])),
        ("2101 17 01 00 01 05000000", "frozen-analog-inputs", Values::Numbers(vec![5.0])),
        ("2201 00 0000 FFFF", "analog-input-deadbands", Values::Numbers(vec![65535.0])),
        ("2203 00 0000 0000C03F", "analog-input-deadbands", Values::Numbers(vec![1.5])),
        ("2801 00 0000 01 05000000", "analog-outputs", Values::Numbers(vec![5.0])),
        ("2803 00 0000 01 0000C03F", "analog-outputs", Values::Numbers(vec![1.5])),
        ("2A04 17 01 00 01 0500 000000000000", "analog-outputs", Values::Numbers(vec![5.0])),
        ("2B02 17 01 00 00 0500", "objects", Values::Numbers(vec![5.0])),
        ("6E02 00 0000 4142", "octet-strings", Values::None),
        ("6F02 17 01 00 4142", "octet-strings", Values::None),
        ("6501 00 0000 3412", "objects", Values::Numbers(vec![1234.0])),
        ("6601 00 0000 07", "objects", Values::Numbers(vec![7.0])),
        ("7901 00 0000 01 0000 05000000", "objects", Values::Numbers(vec![5.0])),
        ("7A02 17 01 00 01 0000 05000000 000000000000", "objects", Values::Numbers(vec![5.0])),
    ] {
        let activities = clean("C1 01 3C0206", &format!("C1 81 0000 {object}"));
        assert_eq!(activities.len(), 2, "{object}");
        let expected = (space, 0, activities[0].target.count);
        assert_eq!((addressed(&activities[0]), &activities[0].values), (expected, &values), "{object}");
    }
}

#[test]
fn fields_have_wiresharks_names() {
    let player = exchange(
        "C1 01 3C0206 1E00 00 0409",
        "E1 81 9200 0202 17 01 03 81 00E40B540100 2002 28 0100 0700 01 0500 0C01 17 01 05 03 01 64000000 C8000000 00",
    );
    let [asked, answered] = player.recorder.messages.as_slice() else { panic!() };
    assert_eq!(field(asked, "dnp3.src"), numbers(&[1]));
    assert_eq!(field(asked, "dnp3.dst"), numbers(&[10]));
    assert_eq!(field(asked, "dnp3.ctl.prifunc"), numbers(&[4]));
    assert_eq!(field(asked, "dnp3.al.func"), numbers(&[1]));
    assert_eq!(field(asked, "dnp3.al.obj"), numbers(&[0x3C02, 0x1E00]));
    assert_eq!(field(asked, "dnp3.al.range.stop"), numbers(&[9]));
    assert!(field(asked, "dnp3.al.point_index").is_empty());
    assert_eq!(field(answered, "dnp3.al.iin"), numbers(&[0x9200]));
    assert_eq!(field(answered, "dnp3.al.iin.rst"), [FieldValue::Bool(true)]);
    assert_eq!(field(answered, "dnp3.al.con"), [FieldValue::Bool(true)]);
    assert_eq!(field(answered, "dnp3.al.index"), numbers(&[3, 7, 5]));
    assert_eq!(field(answered, "dnp3.al.biq.b7"), [FieldValue::Bool(true)]);
    assert_eq!(field(answered, "dnp3.al.ana.int"), [FieldValue::Signed(5)]);
    assert_eq!(field(answered, "dnp3.ctl.op"), numbers(&[3]));
    assert_eq!(field(answered, "dnp3.al.off_time"), numbers(&[200]));
    let Some(FieldValue::Time(time)) = field(answered, "dnp3.al.timestamp").first().cloned() else { panic!() };
    assert_eq!(time.0, 0x0001_540B_E400 * 1_000_000);
    assert_eq!(answered.request.map(|frame| frame.number()), Some(1));
    assert_eq!((answered.outcome, answered.latency), (Some(Outcome::Ok), Some(1_000_000)));
    let documented: Vec<&str> = DNP3.fields().iter().map(|field| field.name).collect();
    for message in &player.recorder.messages {
        assert!(message.fields.iter().all(|(name, _)| documented.contains(name)));
    }
}

// Outcomes and state.

#[test]
fn indications_refuse() {
    for (iin, code, name) in [
        ("0001", 0x10, "Function Not Supported"),
        ("0002", 0x11, "Object Unknown"),
        ("0004", 0x12, "Parameter Error"),
        ("0010", 0x15, "Already Executing"),
    ] {
        let activity = one("C1 01 6300 06", &format!("C1 81 {iin}"));
        assert_eq!(activity.outcome, Outcome::Rejected(code, name));
    }
    let player = exchange("C1 01 3C0206", "C1 81 0040");
    assert_eq!(rules(&player), ["dnp3-reserved-iin"]);
    assert_eq!(player.recorder.activities[0].sender, B);
}

#[test]
fn state_is_told_when_it_changes() {
    let answers = ["C1 81 0000", "C1 81 0E00", "C1 81 9008", "C1 81 0000"];
    let mut segments = Vec::new();
    for answer in answers {
        segments.push((A, request(&hex("C1 01 3C0206"))));
        segments.push((B, response(&hex(answer))));
    }
    let player = run(segments);
    let told: Vec<_> = player.recorder.identities.iter().map(|told| (told.property, told.value.as_str())).collect();
    assert_eq!(told, [("iin", "none"), ("iin", "need-time,device-restart,event-buffer-overflow"), ("iin", "none")]);
    assert_eq!(player.recorder.identities[0].device.sub, SubAddress::Link(OUTSTATION));
}

#[test]
fn forced_points_are_told_when_they_change() {
    let objects = [
        "0102 00 0203 81 91",
        "0102 00 0203 81 91",
        "2001 17 01 07 09 00000000",
        "0102 00 0303 81",
        "2001 17 01 07 01 00000000",
    ];
    let mut segments = Vec::new();
    for object in objects {
        segments.push((A, request(&hex("C1 01 3C0206"))));
        segments.push((B, response(&hex(&format!("C1 81 0000 {object}")))));
    }
    let player = run(segments);
    let told: Vec<_> = player
        .recorder
        .identities
        .iter()
        .filter(|told| told.property == "forced-points")
        .map(|told| told.value.as_str())
        .collect();
    assert_eq!(told, ["binary input 3", "binary input 3, analog input 7", "analog input 7", "none"]);
}

#[test]
fn attributes_are_identity() {
    let player = exchange(
        "C1 01 00FE 00 0000",
        "C1 81 0000 00FC 00 0000 01 04 41434D45 00FA 00 0000 01 03 525455 00F8 00 0000 01 02 3432 00F2 00 0000 01 03 312E32",
    );
    let told: Vec<_> =
        player.recorder.identities[1..].iter().map(|told| (told.property, told.value.as_str())).collect();
    assert_eq!(told, [("vendor", "ACME"), ("model", "RTU"), ("serial", "42"), ("firmware", "1.2")]);
    let activity = player.recorder.activities.last().expect("one");
    assert_eq!((activity.operation, addressed(activity)), (Operation::ConfigRead, ("device-attributes", 254, 1)));
    let single = one("C1 01 00FA 00 0000", "C1 81 0000");
    assert_eq!(single.operation, Operation::Identify);
}

#[test]
fn silence_is_told_once() {
    let script = script(Vec::new());
    let mut player = Player::new(&DNP3, &script, false);
    player.segment(B, &response(&hex("F0 82 0000")));
    player.segment(A, &request(&hex("C1 01 3C0206")));
    assert!(player.wants_tick());
    player.advance(6 * SECOND);
    player.tick();
    player.tick();
    let told: Vec<_> = player.recorder.activities[1..].iter().map(|activity| activity.outcome).collect();
    assert_eq!(told, [Outcome::Unanswered]);
    // A late answer is told as such.
    player.segment(B, &response(&hex("C1 81 0000")));
    assert_eq!(player.recorder.activities.last().map(|activity| activity.outcome), Some(Outcome::Ok));
    assert!(!player.wants_tick());
}

#[test]
fn broadcasts_have_no_answer() {
    let bytes = frames(0xC4, 0xFFFF, MASTER, &hex("C1 0D"));
    let player = run(vec![(A, bytes)]);
    assert_eq!(player.recorder.activities[0].outcome, Outcome::Pending);
    assert!(!player.wants_tick());
}

#[test]
fn responses_of_several_fragments_are_one_answer() {
    let player = run(vec![
        (A, request(&hex("C5 01 3C0106"))),
        (B, response(&hex("A5 81 0000 0102 00 0000 81"))),
        (A, request(&hex("C5 00"))),
        (B, response(&hex("66 81 0000 0102 00 0101 81"))),
        (A, request(&hex("C6 00"))),
    ]);
    assert!(rules(&player).is_empty());
    let told: Vec<_> = player.recorder.activities.iter().map(|a| (a.function.code, addressed(a))).collect();
    assert_eq!(
        told,
        [
            (129, ("binary-inputs", 0, 1)),
            (0, ("", 0, 0)),
            (129, ("binary-inputs", 1, 1)),
            (1, ("classes", 1, 0)),
            (0, ("", 0, 0)),
        ]
    );
}

#[test]
fn outstations_behind_one_connection_are_kept_apart() {
    let player = run(vec![
        (A, frames(0xC4, 10, 1, &hex("C1 01 3C0206"))),
        (A, frames(0xC4, 11, 1, &hex("C1 01 3C0206"))),
        (B, frames(0x44, 1, 11, &hex("C1 81 0000"))),
        (B, frames(0x44, 1, 10, &hex("C1 81 0002"))),
    ]);
    let told: Vec<_> = player.recorder.activities.iter().map(|a| (a.server.sub, a.outcome)).collect();
    assert_eq!(
        told,
        [(SubAddress::Link(11), Outcome::Ok), (SubAddress::Link(10), Outcome::Rejected(0x11, "Object Unknown")),]
    );
}

// Link and transport.

#[test]
fn link_functions() {
    let player = run(vec![
        (A, frame(0xC9, OUTSTATION, MASTER, &[])),
        (B, frame(0x0B, MASTER, OUTSTATION, &[])),
        (A, frame(0xC0, OUTSTATION, MASTER, &[])),
        (B, frame(0x00, MASTER, OUTSTATION, &[])),
        (A, frame(0xC9, OUTSTATION, MASTER, &[])),
        (B, frame(0x0F, MASTER, OUTSTATION, &[])),
    ]);
    let told: Vec<_> =
        player.recorder.activities.iter().map(|a| (a.function.code, a.function.name, a.operation, a.outcome)).collect();
    assert_eq!(
        told,
        [
            (0x109, "Request Link Status", Operation::Session, Outcome::Ok),
            (0x100, "Reset Link States", Operation::Session, Outcome::Ok),
            (0x109, "Request Link Status", Operation::Session, Outcome::Rejected(0x40F, "Link Service Not Supported")),
        ]
    );
    let reserved = run(vec![(A, frame(0xC7, OUTSTATION, MASTER, &[]))]);
    assert_eq!(rules(&reserved), ["dnp3-reserved-function"]);
}

#[test]
fn fragments_of_many_frames_stand_on_the_last() {
    let mut answer = hex("C1 81 0000 1E01 01 0000 6300");
    for value in 0..100_u32 {
        answer.push(1);
        answer.extend(value.to_le_bytes());
    }
    let player = run(vec![(A, request(&hex("C1 01 1E01 01 0000 6300"))), (B, response(&answer))]);
    let messages = &player.recorder.messages;
    assert_eq!(messages.len(), 4);
    assert!(field(&messages[1], "dnp3.al.func").is_empty());
    assert_eq!(field(&messages[3], "dnp3.al.ana.int").len(), 100);
    assert_eq!(field(&messages[3], "dnp3.al.fragment.count"), numbers(&[3]));
    let activity = &player.recorder.activities[0];
    assert_eq!((player.recorder.activities.len(), addressed(activity)), (1, ("analog-inputs", 0, 100)));
    assert_eq!(activity.values.get(99), Some(99.0));
}

#[test]
fn damage_is_told_and_passed() {
    let good = request(&hex("C1 01 3C0206"));
    // A checksum of the header, of a block, a length, bytes between frames.
    let mut header = good.clone();
    header[8] ^= 1;
    let mut block = good.clone();
    block[12] ^= 1;
    let mut short = vec![0x05, 0x64, 0x04, 0xC4, 10, 0, 1, 0];
    short.extend(crc(&short));
    for (bad, rule, skipped) in [
        (header, "dnp3-bad-checksum", good.len() - 2),
        (block, "dnp3-bad-checksum", 0),
        (short, "dnp3-bad-length", 0),
        (b"noise".to_vec(), "dnp3-bad-format", 5),
        (frame(0xC4, OUTSTATION, MASTER, &[]), "dnp3-bad-length", 0),
        (frame(0xC4, OUTSTATION, MASTER, &[0xC0, 0xC1]), "dnp3-bad-length", 0),
    ] {
        let player = run(vec![(A, [good.clone(), bad, good.clone()].concat())]);
        assert_eq!(rules(&player), [rule]);
        assert_eq!(player.recorder.skipped, skipped, "{rule}");
        let reads = player.recorder.messages.iter().filter(|m| m.operation == Some(Operation::Read));
        assert!(reads.count() >= 2, "{rule}");
    }
}

#[test]
fn transport_out_of_order() {
    let data = |octet: u8| frame(0x44, MASTER, OUTSTATION, &[&[octet][..], &[0; 20]].concat());
    let player = run(vec![(B, response(&hex("C1 81 0000"))), (B, data(0x41)), (B, data(0x05))]);
    assert_eq!(rules(&player), ["dnp3-bad-format"]);
    let player = run(vec![(B, response(&hex("C1 81 0000"))), (B, data(0x81))]);
    assert_eq!(rules(&player), ["dnp3-bad-format"]);
}

#[test]
fn objects_that_depart() {
    for (objects, rule) in [
        ("", "dnp3-bad-format"),
        ("1E02 0A", "dnp3-bad-format"),
        ("1E02 00 0501", "dnp3-bad-format"),
        ("1E02 00", "dnp3-bad-length"),
    ] {
        assert_eq!(rules(&exchange(&format!("C1 01 {objects}"), "C1 81 0000")), [rule], "{objects}");
    }
    for (objects, rule) in [
        ("1E02 00 0002 01 0500 01", "dnp3-bad-length"),
        ("6301 00 0002 01 0500", "dnp3-bad-format"),
        ("1E00 00 0000", "dnp3-bad-format"),
        ("6E00 00 0000", "dnp3-bad-format"),
    ] {
        let player = exchange("C1 01 3C0206", &format!("C1 81 0000 {objects}"));
        assert_eq!(rules(&player), [rule], "{objects}");
    }
    // What came before an unknown object stays.
    let player = exchange("C1 01 3C0106", "C1 81 0000 1402 00 0000 01 0700 6301 00 0000 09");
    assert_eq!(addressed(&player.recorder.activities[0]), ("counters", 0, 1));
    assert_eq!(rules(&player), ["dnp3-bad-format"]);
    let confirm = exchange("E1 01 3C0206", "C1 81 0000");
    assert_eq!(rules(&confirm), ["dnp3-master-asked-confirm"]);
    let part = exchange("41 01 3C0206", "C1 81 0000");
    assert_eq!(rules(&part), ["dnp3-bad-format"]);
}

// Roles.

#[test]
fn the_outstation_may_have_opened_the_connection() {
    let mut script = script(vec![(B, request(&hex("C1 01 3C0206"))), (A, response(&hex("C1 81 0000")))]);
    script.ports = [20000, 40000];
    let player = play(&DNP3, &script);
    assert_eq!(player.client(), Some(B));
    let activity = &player.recorder.activities[0];
    assert_eq!((activity.client.port, activity.server.port), (40000, 20000));
    assert!(rules(&player).is_empty());
}

#[test]
fn in_mid_stream_one_message_tells_the_roles() {
    for (direction, bytes, master) in [
        (A, request(&hex("C1 01 3C0206")), A),
        (A, response(&hex("C1 81 0000")), B),
        (B, response(&hex("C1 81 0000")), A),
    ] {
        let script = Script { client: None, ports: [40000, 40001], segments: vec![(direction, bytes)] };
        let player = play(&DNP3, &script);
        assert_eq!(player.client(), Some(master));
        assert!(rules(&player).is_empty());
    }
}

#[test]
fn the_wrong_side_speaks() {
    let player = run(vec![
        (A, request(&hex("C1 01 3C0206"))),
        (B, response(&hex("C1 81 0000"))),
        (B, frames(0x44, MASTER, OUTSTATION, &hex("C2 0D"))),
        (A, frames(0xC4, OUTSTATION, MASTER, &hex("C2 81 0000"))),
        // The right side with the wrong bit.
        (A, frames(0x44, OUTSTATION, MASTER, &hex("C3 01 3C0206"))),
    ]);
    assert_eq!(rules(&player), ["dnp3-illegal-operation"; 3]);
    assert_eq!(player.client(), Some(A));
    let restart = &player.recorder.activities[1];
    assert_eq!((restart.sender, restart.operation), (B, Operation::Restart));
    assert_eq!((restart.client.sub, restart.server.sub), (SubAddress::Link(MASTER), SubAddress::Link(OUTSTATION)));
}

#[test]
fn datagrams() {
    let script = script(Vec::new());
    let mut player = Player::new(&DNP3, &script, true);
    player.datagram(A, &request(&hex("C1 01 3C0206")));
    player.datagram(B, &response(&hex("C1 81 0000")));
    assert_eq!(player.recorder.activities.len(), 1);
    // One that ends within a frame.
    let cut = request(&hex("C2 01 3C0206"));
    player.datagram(A, &cut[..14]);
    player.datagram(A, &cut);
    player.datagram(B, &response(&hex("C2 81 0000")));
    assert_eq!(rules(&player), ["dnp3-bad-length"]);
    assert_eq!(player.recorder.activities.len(), 3);
}

// The suite, and what is kept.

fn plant() -> Script {
    let mut long = hex("C3 81 0000 1E01 01 0000 6300");
    for value in 0..100_u32 {
        long.push(1);
        long.extend(value.to_le_bytes());
    }
    script(vec![
        (A, frame(0xC9, OUTSTATION, MASTER, &[])),
        (B, frame(0x0B, MASTER, OUTSTATION, &[])),
        (A, request(&hex("C1 01 3C0206 3C0306 3C0406"))),
        (B, response(&hex("C1 81 0000"))),
        (A, request(&hex("C2 01 3C0106"))),
        (B, response(&hex("C2 81 8000 0102 00 0304 81 01 1E02 00 0001 01 0500 01 FFFF"))),
        (A, request(&hex("C3 01 1E01 01 0000 6300"))),
        (B, response(&long)),
        (B, response(&hex("F4 82 0000 0201 17 02 03 81 04 01"))),
        (A, request(&hex("D4 00"))),
        (A, request(&hex(&format!("C4 03 {CROB}")))),
        (B, response(&hex(&format!("C4 81 0000 {CROB}")))),
        (A, request(&hex(&format!("C5 04 {CROB}")))),
        (B, response(&hex(&format!("C5 81 0000 {CROB}")))),
        (A, request(&hex(&format!("C6 19 {}", file_command("./a.txt", "0200"))))),
        (B, response(&hex("C6 81 0000 4604 5B 01 0D00 78563412 09000000 0004 0600 00"))),
        (A, request(&hex("C7 0D"))),
        (B, response(&hex("C7 81 0000 3402 07 01 E803"))),
    ])
}

#[test]
fn passes_the_suite() {
    conformance::all(&DNP3, &plant());
}

#[test]
fn passes_the_suite_from_the_middle() {
    let mut script = plant();
    script.client = None;
    conformance::all(&DNP3, &script);
}

#[test]
fn passes_the_suite_with_damage() {
    let mut script = plant();
    for (number, (_, bytes)) in script.segments.iter_mut().enumerate() {
        match number % 4 {
            0 => bytes.extend(b"noise"),
            1 => bytes[9] ^= 0x40,
            _ => {}
        }
    }
    conformance::cut_anywhere(&DNP3, &script);
    conformance::survives_noise(&DNP3, &script, 50);
}

#[test]
fn every_byte_is_told_once() {
    let mut random = Random::new(7);
    for round in 0..200 {
        let mut player = Player::new(&DNP3, &plant(), true);
        let mut total = 0;
        for (direction, bytes) in plant().segments {
            let mut bytes = bytes;
            for _ in 0..random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            bytes.truncate(bytes.len() - random.below(3));
            total += bytes.len();
            player.datagram(direction, &bytes);
        }
        assert_eq!(player.recorder.decoded + player.recorder.skipped, total, "round {round}");
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let script = script(Vec::new());
    let mut player = Player::new(&DNP3, &script, false);
    for outstation in 0..3000_u16 {
        player.segment(A, &frames(0xC4, outstation, MASTER, &hex(&format!("C1 03 {CROB}"))));
        player.segment(B, &frames(0x44, MASTER, outstation, &hex("C9 81 8000")));
        player.segment(B, &frame(0x44, MASTER, outstation, &[0x40, 0xC1, 0x81, 0, 0]));
    }
    assert!(player.recorder.evicted > 5000);
    player.finish(Finish::EndOfInput);
    // Each request is told, whatever became of it.
    let selects = player.recorder.activities.iter().filter(|a| a.function.code == 3).count();
    assert_eq!(selects, 3000);
}

#[test]
fn many_object_headers_stay_cheap() {
    // Longer than any device sends: 3000 ranges asked for, each answered.
    let asked = [hex("C1 01"), hex("0101 00 0000").repeat(3000)].concat();
    let answered = [hex("C1 81 0000"), hex("0101 00 0000 01").repeat(2600)].concat();
    let begin = std::time::Instant::now();
    let player = run(vec![(A, request(&asked)), (B, response(&answered))]);
    assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    assert_eq!(player.recorder.activities.len(), 1024);
    assert_eq!(player.recorder.evicted, 2);
}

#[test]
fn probe_and_session_agree_on_the_master() {
    for (direction, bytes) in plant().segments {
        let both: [&[u8]; 2] = if direction == A { [&bytes, &[]] } else { [&[], &bytes] };
        assert!(matches!(DNP3.probe(both, false, false), ot_protocol::Probe::Yes { client: None | Some(A) }));
    }
}

mod any_fragments {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Good frames with any content: no panic, every frame a message, and nothing skipped.
        #[test]
        fn are_told(fragments in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..80)), 1..20)) {
            let segments: Vec<_> = fragments
                .iter()
                .map(|(asks, bytes)| if *asks { (A, request(bytes)) } else { (B, response(bytes)) })
                .filter(|(_, bytes)| !bytes.is_empty())
                .collect();
            let count = segments.len();
            let player = run(segments);
            prop_assert_eq!(player.recorder.skipped, 0);
            prop_assert_eq!(player.recorder.messages.len(), count);
        }

        /// Any objects behind a usual head: values never outnumber octets.
        #[test]
        fn have_bounded_values(function in 0..34_u8, objects in proptest::collection::vec(any::<u8>(), 0..120)) {
            let asked = [&[0xC1, function][..], &objects].concat();
            let answered = [&[0xC1, 129, 0, 0][..], &objects].concat();
            let player = run(vec![(A, request(&asked)), (B, response(&answered))]);
            for activity in &player.recorder.activities {
                prop_assert!(activity.values.len() <= 8 * 130);
            }
        }
    }
}
