//! Whole conversations: literal bytes in, activities, messages and identities out.

use ot_modbus::MODBUS;
use ot_protocol::conformance::{self, Player, Script, play};
use ot_protocol::time::SECOND;
use ot_protocol::{
    Activity, Direction, FieldValue, Finish, Identity, Message, Operation, Outcome, Protocol, SubAddress, Values,
};

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

fn mbap(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).expect("short");
    let mut bytes = transaction.to_be_bytes().to_vec();
    bytes.extend([0, 0]);
    bytes.extend(length.to_be_bytes());
    bytes.push(unit);
    bytes.extend(pdu);
    bytes
}

fn script(segments: Vec<(Direction, Vec<u8>)>) -> Script {
    Script { client: Some(A), ports: [40000, 502], segments }
}

/// Request and answer of one transaction.
fn exchange(request: &str, response: &str) -> Player {
    let player = play(&MODBUS, &script(vec![(A, mbap(7, 3, &hex(request))), (B, mbap(7, 3, &hex(response)))]));
    assert_eq!(player.recorder.skipped, 0);
    player
}

fn one(request: &str, response: &str) -> Activity {
    let player = exchange(request, response);
    assert_eq!(player.recorder.activities.len(), 1, "{:#?}", player.recorder.activities);
    player.recorder.activities[0].clone()
}

fn clean(request: &str, response: &str) -> Activity {
    let activity = one(request, response);
    assert!(activity.violations.is_empty(), "{:#?}", activity.violations);
    assert_eq!(activity.outcome, Outcome::Ok);
    assert_eq!(activity.server.sub, SubAddress::Unit(3));
    assert_eq!(activity.server.port, 502);
    assert_eq!(activity.client.port, 40000);
    assert_eq!(activity.latency, Some(1_000_000));
    assert_eq!((activity.frames[0].number(), activity.frames[1].number()), (1, 2));
    activity
}

fn rules(activity: &Activity) -> Vec<&'static str> {
    activity.violations.iter().map(|violation| violation.rule).collect()
}

fn addressed(activity: &Activity) -> (&'static str, u32, u32) {
    (activity.target.space, activity.target.start, activity.target.count)
}

fn field(message: &Message, name: &str) -> Vec<FieldValue> {
    message.fields.iter().filter(|(field, _)| *field == name).map(|(_, value)| value.clone()).collect()
}

// Examples of the Modbus Application Protocol V1.1b3, clause 6.

#[test]
fn function_1() {
    let activity = clean("01 0013 0013", "01 03 CD6B05");
    assert_eq!(activity.operation, Operation::Read);
    assert_eq!(addressed(&activity), ("coils", 19, 19));
    let Values::Bits(bits) = &activity.values else { panic!() };
    assert_eq!(bits.len(), 19);
    assert_eq!(bits[..8], [true, false, true, true, false, false, true, true]);
    let messages = exchange("01 0013 0013", "01 03 CD6B05").recorder.messages;
    assert_eq!(field(&messages[0], "modbus.bit_cnt"), [FieldValue::Unsigned(19)]);
    let numbers = field(&messages[1], "modbus.bitnum");
    assert_eq!((numbers.len(), &numbers[0], &numbers[18]), (19, &FieldValue::Unsigned(19), &FieldValue::Unsigned(37)));
}

#[test]
fn function_2() {
    let activity = clean("02 00C4 0016", "02 03 ACDB35");
    assert_eq!(addressed(&activity), ("discrete-inputs", 196, 22));
    assert_eq!(activity.values.len(), 22);
}

#[test]
fn function_3() {
    let activity = clean("03 006B 0003", "03 06 022B 0000 0064");
    assert_eq!(addressed(&activity), ("holding-registers", 107, 3));
    assert_eq!(activity.values, Values::Words(vec![0x22B, 0, 0x64]));
    let messages = exchange("03 006B 0003", "03 06 022B 0000 0064").recorder.messages;
    assert_eq!(field(&messages[1], "modbus.regnum16"), [107, 108, 109].map(FieldValue::Unsigned));
    assert_eq!(field(&messages[1], "modbus.regval_uint16"), [555, 0, 100].map(FieldValue::Unsigned));
    assert_eq!(messages[1].request.unwrap().number(), 1);
    assert_eq!(messages[1].latency, Some(1_000_000));
}

#[test]
fn function_4() {
    let activity = clean("04 0008 0001", "04 02 000A");
    assert_eq!(addressed(&activity), ("input-registers", 8, 1));
    assert_eq!(activity.values, Values::Words(vec![10]));
}

#[test]
fn function_5() {
    let activity = clean("05 00AC FF00", "05 00AC FF00");
    assert_eq!(activity.operation, Operation::Control);
    assert_eq!(addressed(&activity), ("coils", 172, 1));
    assert_eq!(activity.values, Values::Bits(vec![true]));
    assert_eq!(clean("05 00AC 0000", "05 00AC 0000").values, Values::Bits(vec![false]));
    assert_eq!(rules(&one("05 00AC 1234", "85 03")), ["modbus-bad-quantity"]);
}

#[test]
fn function_6() {
    let activity = clean("06 0001 0003", "06 0001 0003");
    assert_eq!(activity.operation, Operation::Write);
    assert_eq!(activity.values, Values::Words(vec![3]));
    assert_eq!(rules(&one("06 0001 0003", "06 0001 0004")), ["modbus-response-mismatch"]);
}

#[test]
fn function_7() {
    assert_eq!(clean("07", "07 6D").operation, Operation::ReadMode);
}

#[test]
fn function_8() {
    let class = |sub: u16, operation: Operation| {
        let request = format!("08 {sub:04X} 0000");
        let activity = clean(&request, &request);
        assert_eq!((activity.operation, activity.function.sub), (operation, Some(sub)), "{sub}");
        assert!(activity.function.name.starts_with("Diagnostics: "));
    };
    for sub in [0, 3, 11, 12, 13, 14, 15, 16, 17, 18, 20] {
        class(sub, Operation::Diagnose);
    }
    class(1, Operation::Restart);
    class(2, Operation::ReadMode);
    class(4, Operation::CommsOff);
    class(10, Operation::Freeze);
    assert_eq!(rules(&one("08 0000 A537", "08 0000 A538")), ["modbus-response-mismatch"]);
    let messages = exchange("08 000B 0000", "08 000B 0123").recorder.messages;
    assert_eq!(field(&messages[1], "modbus.diagnostic.bus_message_count"), [FieldValue::Unsigned(0x123)]);
}

#[test]
fn force_listen_only_is_not_unanswered() {
    let mut player = Player::new(&MODBUS, &script(vec![]), false);
    player.segment(A, &mbap(1, 1, &hex("07")));
    player.segment(B, &mbap(1, 1, &hex("07 00")));
    player.segment(A, &mbap(2, 1, &hex("08 0004 0000")));
    player.advance(6 * SECOND);
    player.tick();
    assert_eq!(player.recorder.activities[1].outcome, Outcome::Pending);
}

#[test]
fn functions_11_and_12() {
    assert_eq!(clean("0B", "0B FFFF 0108").operation, Operation::Diagnose);
    clean("0C", "0C 08 0000 0108 0121 20 00");
    let messages = exchange("0C", "0C 08 0000 0108 0121 A2 44").recorder.messages;
    assert_eq!(field(&messages[1], "modbus.ev_msg_count"), [FieldValue::Unsigned(0x121)]);
    assert_eq!(field(&messages[1], "modbus.ev_recv_lo_mode"), [FieldValue::Unsigned(1)]);
    assert_eq!(field(&messages[1], "modbus.ev_send_slave_busy_ex"), [FieldValue::Unsigned(1)]);
}

#[test]
fn function_15() {
    let activity = clean("0F 0013 000A 02 CD01", "0F 0013 000A");
    assert_eq!(activity.operation, Operation::Control);
    assert_eq!(addressed(&activity), ("coils", 19, 10));
    assert_eq!(activity.values.len(), 10);
}

#[test]
fn function_16() {
    let activity = clean("10 0001 0002 04 000A 0102", "10 0001 0002");
    assert_eq!(activity.operation, Operation::Write);
    assert_eq!(addressed(&activity), ("holding-registers", 1, 2));
    assert_eq!(activity.values, Values::Words(vec![10, 0x102]));
    assert_eq!(rules(&one("10 0001 0002 04 000A 0102", "10 0001 0001")), ["modbus-response-mismatch"]);
}

#[test]
fn function_17() {
    let player = exchange("11", "11 07 05 FF 4C4D313330");
    assert_eq!(player.recorder.activities[0].operation, Operation::Identify);
    let told: Vec<(&str, &str)> =
        player.recorder.identities.iter().map(|identity| (identity.property, identity.value.as_str())).collect();
    assert_eq!(told, [("server-id", "05 LM130"), ("run-status", "on")]);
}

#[test]
fn function_20() {
    let request = "14 0E 06 0004 0001 0002 06 0003 0009 0002";
    let response = "14 0C 05 06 0DFE 0020 05 06 33CD 0040";
    let activities = exchange(request, response).recorder.activities;
    assert_eq!(activities.len(), 2, "a record is an activity");
    assert_eq!(activities[0].target.number, Some(4));
    assert_eq!(addressed(&activities[0]), ("file", 1, 2));
    assert_eq!(activities[1].values, Values::Words(vec![0x33CD, 0x40]));
    assert!(activities.iter().all(|activity| activity.violations.is_empty()));
}

#[test]
fn function_21() {
    let request = "15 0D 06 0004 0007 0003 06AF 04BE 100D";
    let activity = clean(request, request);
    assert_eq!(activity.operation, Operation::Write);
    assert_eq!(activity.target.number, Some(4));
    assert_eq!(addressed(&activity), ("file", 7, 3));
    assert_eq!(activity.values, Values::Words(vec![0x6AF, 0x4BE, 0x100D]));
}

#[test]
fn function_22() {
    let activity = clean("16 0004 00F2 0025", "16 0004 00F2 0025");
    assert_eq!(activity.operation, Operation::Write);
    assert_eq!(activity.masks, Some((0xF2, 0x25)));
}

#[test]
fn function_23() {
    let activities =
        exchange("17 0003 0006 000E 0003 06 00FF 00FF 00FF", "17 0C 00FE 0ACD 0001 0003 000D 00FF").recorder.activities;
    assert_eq!(activities.len(), 2);
    assert_eq!(activities[0].operation, Operation::Read);
    assert_eq!(addressed(&activities[0]), ("holding-registers", 3, 6));
    assert_eq!(activities[0].values.len(), 6);
    assert_eq!(activities[1].operation, Operation::Write);
    assert_eq!(addressed(&activities[1]), ("holding-registers", 14, 3));
    assert_eq!(activities[1].values, Values::Words(vec![0xFF; 3]));
}

#[test]
fn function_24() {
    let activity = clean("18 04DE", "18 0006 0002 01B8 1284");
    assert_eq!(activity.operation, Operation::Read);
    assert_eq!(addressed(&activity), ("fifo-queue", 1246, 1));
    assert_eq!(rules(&one("18 04DE", "18 0042 0020")), ["modbus-bad-quantity", "modbus-bad-header"]);
}

#[test]
fn function_43_14() {
    let response = "2B 0E 01 01 00 00 03 00 04 41434D45 01 03 414243 02 04 56312E30";
    let player = exchange("2B 0E 01 00", response);
    let activity = &player.recorder.activities[0];
    assert_eq!((activity.operation, activity.function.sub), (Operation::Identify, Some(14)));
    let told: Vec<(&str, &str)> =
        player.recorder.identities.iter().map(|i: &Identity| (i.property, i.value.as_str())).collect();
    assert_eq!(told, [("vendor", "ACME"), ("product", "ABC"), ("revision", "V1.0")]);
    assert_eq!(player.recorder.identities[0].device.sub, SubAddress::Unit(3));
    // More follows, and an object of the device's own.
    let response = "2B 0E 03 83 FF 80 02 04 02 4142 80 02 01FF";
    let messages = exchange("2B 0E 03 00", response).recorder.messages;
    assert_eq!(field(&messages[1], "modbus.more_follows"), [FieldValue::Unsigned(255)]);
    assert_eq!(field(&messages[1], "modbus.object_value"), [FieldValue::Bytes(vec![1, 0xFF])]);
}

#[test]
fn function_43_13() {
    let activity = clean("2B 0D 00 00 1234", "2B 0D 01 02 03");
    assert_eq!((activity.function.sub, activity.function.name), (Some(13), "CANopen General Reference"));
}

#[test]
fn umas() {
    let class = |request: &str, operation: Operation| {
        let activity = clean(request, "5A 00 FE 00");
        assert_eq!(activity.operation, operation, "{request}");
    };
    class("5A 00 02", Operation::Identify);
    class("5A 00 10 00", Operation::Authenticate);
    class("5A 01 20 00", Operation::Read);
    class("5A 01 23 00", Operation::Write);
    class("5A 01 31 00", Operation::ProgramWrite);
    class("5A 01 34 00", Operation::ProgramRead);
    class("5A 01 40 FF00", Operation::ModeRun);
    class("5A 01 41 FF00", Operation::ModeStop);
    let refused = one("5A 01 41 FF00", "5A 01 FD 8081");
    assert_eq!(refused.operation, Operation::ModeStop);
    assert!(matches!(refused.outcome, Outcome::Rejected(0x8180, _)));
    let messages = exchange("5A 01 41 FF00", "5A 01 FE").recorder.messages;
    assert_eq!(field(&messages[0], "umas.session"), [FieldValue::Unsigned(1)]);
    assert_eq!(field(&messages[0], "umas.len"), [FieldValue::Unsigned(2)]);
    assert_eq!(field(&messages[1], "umas.func_name"), [FieldValue::Text("UMAS: stop the controller".to_owned())]);
}

#[test]
fn umas_messages_may_be_longer_than_modbus_allows() {
    let mut pdu = hex("5A 00 0A");
    pdu.resize(254, 7);
    let player = play(&MODBUS, &script(vec![(A, mbap(1, 0, &pdu)), (B, mbap(1, 0, &hex("5A 00 FE")))]));
    assert_eq!(player.recorder.activities.len(), 1);
    assert!(player.recorder.activities[0].violations.is_empty());
}

#[test]
fn every_other_function_keeps_its_number() {
    for function in (1..=127_u8).filter(|f| !matches!(f, 1..=8 | 11 | 12 | 15..=17 | 20..=24 | 43 | 90)) {
        let request = format!("{function:02X} 0102");
        let activity = clean(&request, &request);
        assert_eq!((activity.operation, activity.function.code), (Operation::Unknown, u16::from(function)));
    }
}

#[test]
fn exceptions() {
    for (code, name) in [
        (1, "Illegal Function"),
        (2, "Illegal Data Address"),
        (3, "Illegal Data Value"),
        (4, "Server Device Failure"),
        (5, "Acknowledge"),
        (6, "Server Device Busy"),
        (8, "Memory Parity Error"),
        (10, "Gateway Path Unavailable"),
        (11, "Gateway Target Device Failed to Respond"),
        (77, "Exception not in the specification"),
    ] {
        let activity = one("03 0000 0001", &format!("83 {code:02X}"));
        assert_eq!(activity.outcome, Outcome::Rejected(code, name));
        assert_eq!(activity.function.code, 3);
        assert!(activity.violations.is_empty());
    }
}

// Violations.

#[test]
fn quantities() {
    for request in [
        "01 0000 0000",
        "01 0000 07D1",
        "02 0000 07D1",
        "03 0000 007E",
        "04 0000 0000",
        "0F 0000 0000 00",
        "10 0000 0000 00",
        "10 0001 0002 02 000A",
        "17 0000 007E 0000 0001 02 0001",
        "03 FFFF 0002",
    ] {
        let player = exchange(request, &format!("{:02X} 03", 0x80 | hex(request)[0]));
        let activity = &player.recorder.activities[0];
        assert_eq!(rules(activity), ["modbus-bad-quantity"], "{request}");
        let violation = &activity.violations[0];
        assert!(violation.reason.contains("clause"), "{violation:?}");
        assert!(violation.offset >= 7);
    }
    clean("01 F830 07D0", &format!("01 FA {}", "00".repeat(250)));
    clean("03 0000 007D", &format!("03 FA {}", "00".repeat(250)));
}

#[test]
fn lengths_that_the_function_cannot_have() {
    for request in ["03 00", "03 0000 0001 00", "07 00", "0B 00", "16 0004 00F2", "18 04", "2B 0E 01"] {
        let activity = one(request, &format!("{:02X} 03", 0x80 | hex(request)[0]));
        assert_eq!(rules(&activity), ["modbus-bad-header"], "{request}");
    }
}

#[test]
fn function_zero_and_exception_from_client() {
    assert_eq!(rules(&one("00", "80 01")), ["modbus-function-zero"]);
    let activity = one("83 02", "83 01");
    assert_eq!(rules(&activity), ["modbus-exception-from-client"]);
    assert_eq!((activity.operation, activity.function.code), (Operation::Unknown, 3));
}

#[test]
fn responses_that_do_not_match() {
    assert_eq!(rules(&one("03 0000 0002", "04 04 0001 0002")), ["modbus-response-mismatch"]);
    assert_eq!(rules(&one("03 0000 0002", "03 02 0001")), ["modbus-response-mismatch"]);
    assert_eq!(rules(&one("01 0000 0010", "01 01 01")), ["modbus-response-mismatch"]);
    let mismatch = one("03 0000 0002", "03 02 0001");
    assert_eq!(mismatch.sender, B, "the server sent what is wrong");
    // Two answers; another unit; no request.
    let answer = mbap(1, 1, &hex("03 02 0001"));
    let segments = vec![(A, mbap(1, 1, &hex("03 0000 0001"))), (B, answer.clone()), (B, answer.clone())];
    let activities = play(&MODBUS, &script(segments)).recorder.activities;
    assert_eq!(activities.len(), 2);
    assert_eq!(rules(&activities[1]), ["modbus-response-mismatch"]);
    assert_eq!(activities[1].target.count, 1, "the address is that of the request");
    let segments = vec![(A, mbap(1, 2, &hex("03 0000 0001"))), (B, answer.clone())];
    assert_eq!(rules(&play(&MODBUS, &script(segments)).recorder.activities[0]), ["modbus-response-mismatch"]);
    let segments = vec![(A, mbap(9, 1, &hex("03 0000 0001"))), (B, answer.clone())];
    let activities = play(&MODBUS, &script(segments)).recorder.activities;
    assert_eq!(rules(&activities[0]), ["modbus-response-mismatch"]);
    // Not where the session began in mid-stream.
    let mid = Script { client: None, ..script(vec![(B, answer.clone()), (A, mbap(9, 1, &hex("03 0000 0001")))]) };
    let activities = play(&MODBUS, &mid).recorder.activities;
    assert!(activities.iter().all(|activity| activity.violations.is_empty()), "{activities:#?}");
}

#[test]
fn bad_headers_do_not_stop_decoding() {
    let good = mbap(5, 1, &hex("03 0000 0001"));
    for bad in [
        "0001 0009 0006 01 03 0000 0001", // protocol id
        "0001 0000 0000",                 // length 0
        "0001 0000 0001 01",              // length 1
        "0001 0000 012C 01 03 0000 0001", // length 300
        "0001 4745 5420 2F 20",           // text
    ] {
        let mut bytes = hex(bad);
        bytes.extend(&good);
        let player = play(&MODBUS, &script(vec![(A, bytes), (B, mbap(5, 1, &hex("03 02 0001")))]));
        let activities = &player.recorder.activities;
        assert_eq!(activities.len(), 2, "{bad}: {activities:#?}");
        let broken = activities.iter().find(|activity| !activity.violations.is_empty()).unwrap();
        assert!(rules(broken).iter().all(|rule| *rule == "modbus-bad-header"), "{bad}");
        let after = activities.iter().find(|activity| activity.violations.is_empty()).unwrap();
        assert_eq!((after.outcome, after.function.code), (Outcome::Ok, 3), "{bad}");
    }
    let player = play(&MODBUS, &script(vec![(A, hex("0001 0000 9000 01 03 0000 0001"))]));
    assert_eq!(player.recorder.too_long, [0x9006]);
}

#[test]
fn garbage_between_messages_is_skipped_and_counted() {
    let mut bytes = mbap(1, 1, &hex("03 0000 0001"));
    bytes.extend(b"this is not Modbus at all");
    bytes.extend(mbap(2, 1, &hex("03 0000 0001")));
    let player = play(&MODBUS, &script(vec![(A, bytes)]));
    assert_eq!(player.recorder.messages.len(), 3);
    assert_eq!(player.recorder.skipped, 25 - 8);
}

// Pairing in time.

#[test]
fn unanswered_then_late() {
    let mut player = Player::new(&MODBUS, &script(vec![]), false);
    player.segment(A, &mbap(1, 1, &hex("03 0000 0001")));
    player.segment(B, &mbap(1, 1, &hex("03 02 0001")));
    player.segment(A, &mbap(2, 1, &hex("03 0000 0001")));
    assert!(player.wants_tick());
    player.advance(4 * SECOND);
    player.tick();
    assert_eq!(player.recorder.activities.len(), 1);
    player.advance(2 * SECOND);
    player.tick();
    assert_eq!(player.recorder.activities[1].outcome, Outcome::Unanswered);
    player.segment(B, &mbap(2, 1, &hex("03 02 0001")));
    let late = &player.recorder.activities[2];
    assert_eq!(late.outcome, Outcome::Ok);
    assert!(late.violations.is_empty());
    assert!(late.latency.unwrap() > 6 * SECOND);
    assert!(!player.wants_tick());
}

#[test]
fn what_cannot_be_seen_is_not_missing() {
    let mut player = Player::new(&MODBUS, &script(vec![]), false);
    player.segment(A, &mbap(2, 1, &hex("03 0000 0001")));
    player.advance(6 * SECOND);
    player.tick();
    assert_eq!(player.recorder.activities[0].outcome, Outcome::Pending);
}

#[test]
fn ends() {
    for (why, outcome) in [(Finish::Closed, Outcome::Unanswered), (Finish::EndOfInput, Outcome::Pending)] {
        let mut player = Player::new(&MODBUS, &script(vec![]), false);
        player.segment(A, &mbap(1, 1, &hex("03 0000 0001")));
        player.segment(B, &mbap(1, 1, &hex("03 02 0001")));
        player.segment(A, &mbap(2, 1, &hex("06 0000 0001")));
        player.finish(why);
        assert_eq!(player.recorder.activities[1].outcome, outcome);
    }
}

#[test]
fn pipelined_requests_pair_by_transaction() {
    let request = |id: u16| mbap(id, 1, &[3, 0, u8::try_from(id).unwrap(), 0, 1]);
    let answer = |id: u16| mbap(id, 1, &[3, 2, 0, u8::try_from(id).unwrap()]);
    let segments =
        vec![(A, [request(1), request(2), request(3)].concat()), (B, [answer(3), answer(1)].concat()), (B, answer(2))];
    let activities = play(&MODBUS, &script(segments)).recorder.activities;
    let order: Vec<(u32, Option<f64>)> =
        activities.iter().map(|activity| (activity.target.start, activity.values.get(0))).collect();
    assert_eq!(order, [(3, Some(3.0)), (1, Some(1.0)), (2, Some(2.0))]);
}

#[test]
fn open_requests_are_capped() {
    let mut player = Player::new(&MODBUS, &script(vec![]), false);
    player.segment(B, &mbap(0, 1, &hex("03 02 0001")));
    for id in 1..=100 {
        player.segment(A, &mbap(id, 1, &hex("03 0000 0001")));
    }
    assert_eq!(player.recorder.evicted, 36);
}

#[test]
fn after_a_gap_decoding_goes_on() {
    let mut player = Player::new(&MODBUS, &script(vec![]), false);
    player.segment(A, &mbap(1, 1, &hex("03 0000 0001")));
    player.lose(B, 100);
    player.segment(B, &[&hex("0001 0203 0405 0607")[..], &mbap(2, 1, &hex("03 02 0001"))].concat());
    assert_eq!(player.recorder.skipped, 8);
    let activities = &player.recorder.activities;
    assert_eq!(activities.len(), 1);
    assert!(activities[0].violations.is_empty(), "its request may be in the gap");
    player.advance(6 * SECOND);
    player.tick();
    assert_eq!(player.recorder.activities[1].outcome, Outcome::Pending, "its answer may be in the gap");
}

// Roles.

#[test]
fn roles_follow_what_is_said_not_who_spoke_first() {
    // The capture begins with an answer, and the ports say nothing.
    let segments = vec![
        (A, mbap(1, 1, &hex("03 04 0001 0002"))),
        (B, mbap(2, 1, &hex("03 0000 0002"))),
        (A, mbap(2, 1, &hex("03 04 0001 0002"))),
    ];
    let player = play(&MODBUS, &Script { client: None, ports: [1502, 40000], segments });
    assert_eq!(player.client(), Some(B));
    let activities = &player.recorder.activities;
    assert_eq!(activities.len(), 2);
    assert!(activities.iter().all(|activity| activity.client.port == 40000 && activity.violations.is_empty()));
    assert_eq!(player.recorder.messages[0].source.sub, SubAddress::Unit(1));
    assert_eq!(player.recorder.messages[0].frame.number(), 1);
}

#[test]
fn one_message_does_not_make_a_role() {
    let mut player = Player::new(&MODBUS, &Script { client: None, ports: [1502, 40000], segments: vec![] }, false);
    player.segment(A, &mbap(1, 1, &hex("83 02")));
    assert_eq!(player.client(), None);
    player.segment(A, &mbap(2, 1, &hex("83 02")));
    assert_eq!(player.client(), Some(B));
}

#[test]
fn echoes_are_told_apart_by_who_comes_first() {
    let mut segments = Vec::new();
    for id in 1..5 {
        segments.push((B, mbap(id, 1, &hex("06 0001 0003"))));
        segments.push((A, mbap(id, 1, &hex("06 0001 0003"))));
    }
    let player = play(&MODBUS, &Script { client: None, ports: [1502, 40000], segments });
    assert_eq!(player.client(), Some(B));
    assert_eq!(player.recorder.activities.len(), 4);
}

// UDP and RTU.

#[test]
fn datagrams() {
    let mut player = Player::new(&MODBUS, &script(vec![]), true);
    player.datagram(A, &mbap(1, 1, &hex("03 0000 0002")));
    player.datagram(B, &mbap(1, 1, &hex("03 04 0001 0002")));
    player.datagram(A, &mbap(2, 1, &hex("03 0000 0002"))[..10]);
    player.finish(Finish::EndOfInput);
    let activities = &player.recorder.activities;
    assert_eq!((activities.len(), activities[0].outcome), (2, Outcome::Ok));
    assert!(!activities[1].violations.is_empty(), "the datagram was cut");
}

#[test]
fn rtu_over_tcp() {
    let segments = vec![
        (A, hex("01 03 0000 0002 C40B")),
        (B, hex("01 03 04 0001 0002 2A32")),
        (A, hex("01 06 000A 0005 69CB")),
        (B, hex("01 06 000A 0005 69CB")),
        (A, hex("01 03 0000 0002 C400")),
        (A, hex("01 07 41E2")),
        (B, hex("01 87 02 C231")),
    ];
    let player = play(&MODBUS, &script(segments));
    let activities = &player.recorder.activities;
    assert_eq!(activities[0].values, Values::Words(vec![1, 2]));
    assert_eq!(activities[1].operation, Operation::Write);
    let refused = activities.iter().find(|activity| activity.function.code == 7).unwrap();
    assert!(matches!(refused.outcome, Outcome::Rejected(2, _)));
    assert!(activities.iter().any(|activity| rules(activity) == ["modbus-bad-header"]), "the wrong checksum is told");
    assert_eq!(field(&player.recorder.messages[0], "mbrtu.crc16"), [FieldValue::Unsigned(0xC40B)]);
}

// The suite all protocols share.

fn everything() -> Script {
    let mut segments = Vec::new();
    let mut id = 0;
    let mut add = |request: &str, response: &str| {
        id += 1;
        segments.push((A, mbap(id, 1, &hex(request))));
        segments.push((B, mbap(id, 1, &hex(response))));
    };
    add("01 0013 0013", "01 03 CD6B05");
    add("03 006B 0003", "03 06 022B 0000 0064");
    add("05 00AC FF00", "05 00AC FF00");
    add("0F 0013 000A 02 CD01", "0F 0013 000A");
    add("10 0001 0002 04 000A 0102", "10 0001 0002");
    add("14 0E 06 0004 0001 0002 06 0003 0009 0002", "14 0C 05 06 0DFE 0020 05 06 33CD 0040");
    add("17 0003 0006 000E 0003 06 00FF 00FF 00FF", "17 0C 00FE 0ACD 0001 0003 000D 00FF");
    add("2B 0E 01 00", "2B 0E 01 01 00 00 01 00 04 41434D45");
    add("5A 00 02", "5A 00 FE 0102");
    add("63 0102", "E3 01");
    add("03 0000 0000", "83 03");
    add("00", "80 01");
    add("04 0008 0001", "04 02 000A");
    script(segments)
}

#[test]
fn conformance_suite() {
    conformance::all(&MODBUS, &everything());
    conformance::all(&MODBUS, &Script { client: None, ..everything() });
}

#[test]
fn conformance_with_bad_headers() {
    let mut segments = everything().segments;
    segments.insert(4, (A, hex("0001 0000 0000")));
    segments.insert(10, (A, hex("0001 0009 0006 01 03 0000 0001")));
    segments.insert(14, (B, b"some other text".to_vec()));
    segments.insert(18, (A, hex("0001 0000 012C 01 03 0000 0001")));
    conformance::cut_anywhere(&MODBUS, &script(segments.clone()));
    conformance::survives_noise(&MODBUS, &script(segments), 100);
}

#[test]
fn conformance_of_rtu() {
    let segments = vec![
        (A, hex("01 10 0001 0002 04 000A 0102 9230")),
        (B, hex("01 10 0001 0002 1008")),
        (A, hex("01 03 0000 0002 C40B")),
        (B, hex("01 03 04 0001 0002 2A32")),
        (A, hex("01 06 000A 0005 69CB")),
        (B, hex("01 06 000A 0005 69CB")),
        (A, hex("01 07 41E2")),
        (B, hex("01 87 02 C231")),
    ];
    conformance::all(&MODBUS, &script(segments.clone()));
    conformance::cut_anywhere(&MODBUS, &Script { client: None, ..script(segments) });
}

#[test]
fn fields_and_rules_are_documented() {
    let names: Vec<&str> = MODBUS.fields().iter().map(|doc| doc.name).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted.len(), names.len(), "each once");
    for message in play(&MODBUS, &everything()).recorder.messages {
        for (name, _) in &message.fields {
            assert!(names.contains(name), "{name}");
        }
    }
    assert_eq!(MODBUS.rules().len(), 5);
}

proptest::proptest! {
    #[test]
    fn written_registers_come_back(start: u16, words in proptest::collection::vec(proptest::num::u16::ANY, 1..=123)) {
        let count = u16::try_from(words.len()).unwrap();
        proptest::prop_assume!(u32::from(start) + u32::from(count) <= 65536);
        let mut request = vec![16];
        request.extend(start.to_be_bytes());
        request.extend(count.to_be_bytes());
        request.push(u8::try_from(2 * words.len()).unwrap());
        request.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        let response = request[..5].to_vec();
        let player = play(&MODBUS, &script(vec![(A, mbap(1, 1, &request)), (B, mbap(1, 1, &response))]));
        let activity = &player.recorder.activities[0];
        proptest::prop_assert!(activity.violations.is_empty());
        proptest::prop_assert_eq!(&activity.values, &Values::Words(words));
        proptest::prop_assert_eq!(activity.target.start, u32::from(start));
    }

    #[test]
    fn any_bytes_are_survived(client: bool, chunks in proptest::collection::vec((proptest::bool::ANY, proptest::collection::vec(proptest::num::u8::ANY, 0..80)), 0..20)) {
        let client = client.then_some(A);
        let segments = chunks.into_iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(a, bytes)| (if a { A } else { B }, bytes));
        let _ = play(&MODBUS, &Script { client, ports: [1, 2], segments: segments.collect() });
    }

    #[test]
    fn any_unit_is_survived(request in proptest::collection::vec(proptest::num::u8::ANY, 1..253), response in proptest::collection::vec(proptest::num::u8::ANY, 1..253)) {
        let player = play(&MODBUS, &script(vec![(A, mbap(1, 1, &request)), (B, mbap(1, 1, &response))]));
        proptest::prop_assert_eq!(player.recorder.messages.len(), 2);
        proptest::prop_assert_eq!(player.recorder.skipped, 0);
    }
}

/// Scripts of messages that are partly right, with damaged headers among them: however they are cut, the same comes out.
#[test]
fn conformance_of_random_scripts() {
    const FUNCTIONS: [u8; 23] = [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 17, 20, 21, 22, 23, 24, 43, 90, 0, 99, 0x83];
    let mut random = conformance::Random::new(7);
    for round in 0..150_u64 {
        let mut segments = Vec::new();
        for id in 0..12 {
            let length = 1 + random.below(12);
            let mut pdu = random.bytes(length);
            pdu[0] = FUNCTIONS[random.below(FUNCTIONS.len())];
            let mut message = mbap(id, u8::try_from(random.below(3)).expect("small"), &pdu);
            if random.below(6) == 0 {
                let at = random.below(6);
                message[at] = random.number().to_le_bytes()[0];
            }
            segments.push((if random.below(2) == 0 { A } else { B }, message));
        }
        let script = Script { client: (round % 2 == 0).then_some(A), ports: [1, 502], segments };
        let wanted = play(&MODBUS, &script).activities();
        for seed in 0..8 {
            let cut = conformance::rechunk(&script, &mut conformance::Random::new(seed));
            assert_eq!(play(&MODBUS, &cut).activities(), wanted, "round {round}, seed {seed}");
        }
        conformance::survives_noise(&MODBUS, &script, 5);
    }
}
