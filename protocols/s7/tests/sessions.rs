//! Whole conversations: literal bytes in, activities, messages and identities out.

use ot_protocol::conformance::{self, Player, Script, play};
use ot_protocol::time::SECOND;
use ot_protocol::{
    Activity, Direction, FieldValue, Finish, Message, Operation, Outcome, Protocol, SubAddress, Target, Values,
};
use ot_s7::{S7COMM, S7COMM_PLUS};
use proptest::prelude::*;

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

fn word(number: usize) -> [u8; 2] {
    u16::try_from(number).expect("short").to_be_bytes()
}

fn tpkt(carried: &[u8]) -> Vec<u8> {
    [&[3, 0][..], &word(carried.len() + 4), carried].concat()
}

fn dt(data: &[u8]) -> Vec<u8> {
    tpkt(&[&[2, 0xF0, 0x80][..], data].concat())
}

fn unit(kind: u8, reference: u16, error: Option<u16>, param: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x32, kind, 0, 0];
    bytes.extend(reference.to_be_bytes());
    bytes.extend(word(param.len()));
    bytes.extend(word(data.len()));
    bytes.extend(error.into_iter().flat_map(u16::to_be_bytes));
    bytes.extend(param);
    bytes.extend(data);
    bytes
}

fn job(reference: u16, param: &str, data: &str) -> Vec<u8> {
    dt(&unit(1, reference, None, &hex(param), &hex(data)))
}

fn ack(reference: u16, error: u16, param: &str, data: &str) -> Vec<u8> {
    dt(&unit(3, reference, Some(error), &hex(param), &hex(data)))
}

fn user(reference: u16, param: &str, data: &str) -> Vec<u8> {
    dt(&unit(7, reference, None, &hex(param), &hex(data)))
}

/// Connection request to rack 0, slot 2, and its confirm.
fn connect() -> Vec<(Direction, Vec<u8>)> {
    vec![
        (A, tpkt(&hex("11 E0 0000 0007 00 C1 02 0100 C2 02 0102 C0 01 0A"))),
        (B, tpkt(&hex("11 D0 0007 0003 00 C0 01 0A C1 02 0100 C2 02 0102"))),
    ]
}

fn script(segments: Vec<(Direction, Vec<u8>)>) -> Script {
    Script { client: Some(A), ports: [40000, 102], segments }
}

/// What follows on a connection.
fn after_connect(segments: Vec<(Direction, Vec<u8>)>) -> Player {
    let player = play(&S7COMM, &script([connect(), segments].concat()));
    assert_eq!(player.recorder.skipped, 0);
    player
}

fn all(segments: Vec<(Direction, Vec<u8>)>) -> Vec<Activity> {
    after_connect(segments).recorder.activities.split_off(1)
}

fn one(request: Vec<u8>, answer: Vec<u8>) -> Activity {
    let mut found = all(vec![(A, request), (B, answer)]);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn clean(request: Vec<u8>, answer: Vec<u8>) -> Activity {
    let activity = one(request, answer);
    assert!(activity.violations.is_empty(), "{:#?}", activity.violations);
    assert_eq!(activity.outcome, Outcome::Ok);
    assert_eq!(activity.server.sub, SubAddress::RackSlot(0, 2));
    assert_eq!((activity.client.port, activity.server.port), (40000, 102));
    assert_eq!(activity.latency, Some(1_000_000));
    assert_eq!((activity.frames[0].number(), activity.frames[1].number()), (3, 4));
    activity
}

fn rules(activity: &Activity) -> Vec<&'static str> {
    activity.violations.iter().map(|violation| violation.rule).collect()
}

fn place(target: &Target) -> (&'static str, Option<u32>, u32, u32, u32) {
    (target.space, target.number, target.start, target.count, target.width)
}

fn name(activity: &Activity) -> &str {
    activity.target.name.as_deref().unwrap_or_default()
}

fn field(message: &Message, name: &str) -> Vec<FieldValue> {
    message.fields.iter().filter(|(field, _)| *field == name).map(|(_, value)| value.clone()).collect()
}

const SETUP: &str = "F0 00 0001 0001 01E0";

#[test]
fn a_connection_is_told_with_rack_and_slot() {
    let player = play(&S7COMM, &script(connect()));
    let [activity] = &player.recorder.activities[..] else { panic!("{:#?}", player.recorder.activities) };
    assert_eq!((activity.operation, activity.outcome), (Operation::Session, Outcome::Ok));
    assert_eq!((activity.function.code, activity.function.name), (0x01E0, "COTP Connect Request"));
    assert_eq!((activity.server.sub, name(activity)), (SubAddress::RackSlot(0, 2), "TSAP 0x0102"));
    let messages = &player.recorder.messages;
    assert_eq!(field(&messages[0], "cotp.dst-tsap"), [FieldValue::Text("0x0102".to_owned())]);
    assert_eq!(field(&messages[0], "cotp.tsap_kind"), [FieldValue::Text("PG".to_owned())]);
    assert_eq!(field(&messages[1], "cotp.tpdu_size"), [FieldValue::Unsigned(1024)]);
}

#[test]
fn a_request_that_is_refused_or_not_answered_is_told() {
    let request = connect().remove(0);
    let refused = vec![request.clone(), (B, tpkt(&hex("06 80 0007 0000 03")))];
    let activities = play(&S7COMM, &script(refused)).recorder.activities;
    assert_eq!(activities[0].outcome, Outcome::Rejected(3, "address unknown"));
    assert_eq!(activities.len(), 1);
    // The other end was seen, and closed the connection.
    let mut player = Player::new(&S7COMM, &script(vec![]), false);
    player.segment(request.0, &request.1);
    player.lose(B, 0);
    player.finish(Finish::Closed);
    assert_eq!(player.recorder.activities[0].outcome, Outcome::Pending, "the answer may be in the gap");
    let mut player = Player::new(&S7COMM, &script(vec![]), false);
    player.lose(B, 0);
    player.segment(request.0, &request.1);
    player.advance(6 * SECOND);
    player.tick();
    assert_eq!(player.recorder.activities[0].outcome, Outcome::Unanswered);
    assert_eq!(player.recorder.activities[0].server.sub, SubAddress::RackSlot(0, 2));
    assert!(!player.wants_tick());
}

#[test]
fn setup_communication() {
    let activity = clean(job(1, SETUP, ""), ack(1, 0, "F0 00 0001 0001 00F0", ""));
    assert_eq!((activity.operation, activity.function.code), (Operation::Session, 0xF0));
    let messages = after_connect(vec![(A, job(1, SETUP, ""))]).recorder.messages;
    assert_eq!(field(&messages[2], "s7comm.param.pdu_length"), [FieldValue::Unsigned(480)]);
}

#[test]
fn read_variables_of_every_type() {
    let request = job(
        9,
        "04 06
         120A 10 01 0001 0000 81 000003
         120A 10 02 0002 000A 84 000000
         120A 10 05 0002 000A 84 000020
         120A 10 08 0001 000A 84 000040
         120A 10 07 0001 0000 83 000060
         120A 10 1C 0001 0000 1C 000005",
        "",
    );
    let data = "FF 03 0001 01 00
                FF 04 0010 0102
                FF 05 0020 FFFE 0003
                FF 07 0004 4133851F
                FF 06 0004 FFFFFFFF
                FF 09 0002 0042";
    let activities = all(vec![(A, request), (B, ack(9, 0, "04 06", data))]);
    assert!(activities.iter().all(|activity| activity.operation == Operation::Read));
    assert!(activities.iter().all(|activity| activity.outcome == Outcome::Ok && activity.violations.is_empty()));
    let places: Vec<_> = activities.iter().map(|activity| place(&activity.target)).collect();
    assert_eq!(
        places,
        [
            ("inputs", None, 3, 1, 1),
            ("data-block", Some(10), 0, 2, 8),
            ("data-block", Some(10), 32, 2, 16),
            ("data-block", Some(10), 64, 1, 32),
            ("flags", None, 96, 1, 32),
            ("counters", None, 80, 1, 16),
        ]
    );
    let values: Vec<_> = activities.iter().map(|activity| activity.values.clone()).collect();
    assert_eq!(
        values,
        [
            Values::Bits(vec![true]),
            Values::Numbers(vec![1.0, 2.0]),
            Values::Numbers(vec![-2.0, 3.0]),
            Values::Numbers(vec![f64::from(11.22_f32)]),
            Values::Numbers(vec![-1.0]),
            Values::Numbers(vec![66.0]),
        ]
    );
}

#[test]
fn each_item_has_its_own_outcome() {
    let request = job(9, "04 02 120A 10 02 0001 0001 84 000000 120A 10 02 0001 0063 84 000000", "");
    let activities = all(vec![(A, request), (B, ack(9, 0, "04 02", "FF 04 0008 07 00 0A 00 0000"))]);
    assert_eq!(activities[0].outcome, Outcome::Ok);
    assert_eq!(activities[1].outcome, Outcome::Rejected(0x0A, "object does not exist"));
    assert_eq!(activities[1].values, Values::None);
}

#[test]
fn write_variables() {
    let item = "05 01 120A 10 04 0001 000A 84 000020";
    let activity = clean(job(2, item, "00 04 0010 1234"), ack(2, 0, "05 01", "FF"));
    assert_eq!((activity.operation, place(&activity.target)), (Operation::Write, ("data-block", Some(10), 32, 1, 16)));
    assert_eq!(activity.values, Values::Numbers(vec![4660.0]));
    let output = clean(job(2, "05 01 120A 10 01 0001 0000 82 000001", "00 03 0001 01"), ack(2, 0, "05 01", "FF"));
    assert_eq!((output.operation, output.values), (Operation::Control, Values::Bits(vec![true])));
    let refused = one(job(2, item, "00 04 0010 1234"), ack(2, 0, "05 01", "03"));
    assert_eq!(refused.outcome, Outcome::Rejected(3, "access to the object not allowed"));
    let error = one(job(2, item, "00 04 0010 1234"), ack(2, 0x8104, "05 01", ""));
    assert_eq!(error.outcome, Outcome::Rejected(0x8104, "service not implemented, or frame error"));
}

#[test]
fn other_syntaxes_are_kept_with_their_number() {
    let symbolic =
        clean(job(2, "04 01 120E B2 FF 0000 0052 DEADBEEF 40000001", ""), ack(2, 0, "04 01", "FF 04 0008 01"));
    assert_eq!(place(&symbolic.target), ("tag", Some(0xDEAD_BEEF), 0, 1, 1));
    let range = clean(job(2, "04 01 1207 B0 01 04 0007 0002", ""), ack(2, 0, "04 01", "FF 04 0020 01020304"));
    assert_eq!(place(&range.target), ("data-block", Some(7), 16, 4, 8));
    assert_eq!(range.values, Values::Numbers(vec![1.0, 2.0, 3.0, 4.0]));
    let drive = clean(job(2, "04 01 120A A2 01 0002 0003 0384 0001", ""), ack(2, 0, "04 01", "FF 04 0008 01"));
    assert_eq!(place(&drive.target), ("drive-parameter", Some(900), 1, 1, 1));
    let nck = clean(job(2, "04 01 1208 82 41 0001 0002 7F 01", ""), ack(2, 0, "04 01", "FF 09 0002 0001"));
    assert_eq!(place(&nck.target), ("nck", Some(0x417F), 0x1_0002, 1, 1));
    let alarm = clean(job(2, "04 01 1202 1A 00", ""), ack(2, 0, "04 01", "FF 09 0002 0001"));
    assert_eq!((alarm.target.space, alarm.target.number, name(&alarm)), ("item", Some(0x1A), "ALARM query"));
    let messages =
        after_connect(vec![(A, job(2, "04 01 120E B2 FF 8A0E 0007 DEADBEEF 40000001", ""))]).recorder.messages;
    assert_eq!(field(&messages[2], "s7comm.tiap.item.dbnumber"), [FieldValue::Unsigned(7)]);
    assert_eq!(field(&messages[2], "s7comm.tiap.item.lid_flags"), [FieldValue::Unsigned(4)]);
}

/// FC 7, 80 bytes: header, eight bytes of code, trailer.
fn program() -> Vec<u8> {
    let mut bytes = hex("7070 01 01 01 0C 0007 00000050 00000003 000000012D9D 0000000121D8 0004 0000 0002 0008");
    bytes.extend([0xFB; 8]);
    bytes.extend(b"AUTHOR\0\0FAMILY\0\0NAME\0\0\0\0\x12\0\xBE\xEF\0\0\0\0\0\0\0\0");
    bytes
}

fn part(bytes: &[u8]) -> Vec<u8> {
    [&word(bytes.len())[..], &[0, 0xFB], bytes].concat()
}

const FILE: &str = "09 5F30433030303037 50";

#[test]
fn a_download_is_rebuilt() {
    let block = program();
    let begin = format!("1A 00 0100 00000000 {FILE} 0D 31 303030303830 303030303038");
    let fetch = format!("1B 00 0000 00000000 {FILE}");
    let end = format!("1C 00 0000 00000000 {FILE}");
    let answer = |reference, status: u8, bytes: &[u8]| dt(&unit(3, reference, Some(0), &[0x1B, status], &part(bytes)));
    let activities = all(vec![
        (A, job(5, &begin, "")),
        (B, ack(5, 0, "1A", "")),
        (B, job(0x100, &fetch, "")),
        (A, answer(0x100, 1, &block[..50])),
        (B, job(0x101, &fetch, "")),
        (A, answer(0x101, 0, &block[50..])),
        (B, job(0x102, &end, "")),
        (A, ack(0x102, 0, "1C", "")),
    ]);
    assert_eq!(activities.len(), 4);
    for activity in &activities {
        assert_eq!(
            (activity.operation, name(activity), activity.outcome),
            (Operation::ProgramWrite, "FC 7", Outcome::Ok)
        );
        assert_eq!((activity.client.port, activity.server.port), (40000, 102), "the client stays the client");
        assert!(activity.violations.is_empty());
    }
    assert_eq!(activities[1].sender, B);
    let artifact = activities[3].artifact.as_ref().expect("the block");
    assert!(artifact.complete);
    assert_eq!((artifact.kind, artifact.name.as_str(), artifact.length), ("block", "FC 7", 80));
    assert_eq!(*artifact.bytes, *block);
    let says =
        |name: &str| artifact.attributes.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str());
    assert_eq!((says("author"), says("family"), says("version")), (Some("AUTHOR"), Some("FAMILY"), Some("1.2")));
    assert!(activities[..3].iter().all(|activity| activity.artifact.is_none()));
}

#[test]
fn an_upload_is_rebuilt() {
    let block = program();
    let activities = all(vec![
        (A, job(5, &format!("1D 00 0000 00000000 {FILE}"), "")),
        (B, ack(5, 0, "1D 00 0100 00000007 07 30303030303830", "")),
        (A, job(6, "1E 00 0000 00000007", "")),
        (B, dt(&unit(3, 6, Some(0), &[0x1E, 0], &part(&block)))),
        (A, job(7, "1F 00 0000 00000007", "")),
        (B, ack(7, 0, "1F", "")),
    ]);
    assert_eq!(activities.len(), 3);
    for activity in &activities {
        assert_eq!(
            (activity.operation, name(activity), activity.outcome),
            (Operation::ProgramRead, "FC 7", Outcome::Ok)
        );
    }
    let artifact = activities[2].artifact.as_ref().expect("the block");
    assert_eq!((artifact.complete, artifact.length), (true, 80));
}

#[test]
fn a_transfer_that_does_not_end_is_told_in_the_end() {
    let activities = all(vec![
        (A, job(5, &format!("1D 00 0000 00000000 {FILE}"), "")),
        (B, ack(5, 0, "1D 00 0100 00000007 07 30303030303830", "")),
        (A, job(6, "1E 00 0000 00000007", "")),
        (B, dt(&unit(3, 6, Some(0), &[0x1E, 1], &part(&program()[..40])))),
    ]);
    let artifact = activities[2].artifact.as_ref().expect("what there was");
    assert_eq!((artifact.complete, artifact.length, name(&activities[2])), (false, 80, "FC 7"));
}

#[test]
fn system_data_blocks_are_configuration() {
    let begin = "1A 00 0100 00000000 09 5F30423030303031 50 0D 31 303030303830 303030303038";
    assert_eq!(clean(job(5, begin, ""), ack(5, 0, "1A", "")).operation, Operation::ConfigWrite);
}

#[test]
fn program_invocations() {
    let call = |block: &str, name: &[u8]| {
        let block = hex(block);
        let mut param = hex("28 000000000000FD");
        param.extend(word(block.len()));
        param.extend(block);
        param.push(u8::try_from(name.len()).expect("short"));
        param.extend(name);
        clean(dt(&unit(1, 3, None, &param, &[])), ack(3, 0, "28", ""))
    };
    assert_eq!(call("", b"P_PROGRAM").operation, Operation::ModeRun);
    let cold = call("4320", b"P_PROGRAM");
    assert_eq!((cold.operation, cold.function.name), (Operation::Restart, "PI P_PROGRAM (cold restart)"));
    let insert = call("01 00 3041303030303150", b"_INSE");
    assert_eq!((insert.operation, name(&insert)), (Operation::ProgramWrite, "DB 1"));
    let delete = call("01 00 3038303030303141", b"_DELE");
    assert_eq!((delete.operation, name(&delete)), (Operation::ProgramDelete, "OB 1"));
    assert_eq!(call("", b"_MODU").operation, Operation::ProgramWrite);
    assert_eq!(call("", b"_GARB").operation, Operation::Diagnose);
    let nc = call("2F5F4E5F4D5046", b"_N_F_DELE");
    assert_eq!((nc.operation, name(&nc)), (Operation::ProgramDelete, "/_N_MPF"));
    let secret = call("534543524554", b"_N_LOGIN_");
    assert_eq!((secret.operation, name(&secret)), (Operation::Authenticate, ""));
    let unknown = call("", b"_X");
    assert_eq!((unknown.operation, name(&unknown)), (Operation::Unknown, "_X"));
}

#[test]
fn plc_stop() {
    let stop = "29 0000000000 09 505F50524F4752414D";
    let activity = clean(job(4, stop, ""), ack(4, 0, "29", ""));
    assert_eq!((activity.operation, activity.function.name), (Operation::ModeStop, "PLC Stop"));
    let refused = one(job(4, stop, ""), ack(4, 0x8404, "29", ""));
    assert_eq!(refused.outcome, Outcome::Rejected(0x8404, "function cannot be performed"));
}

/// A request for a status list, and an answer with these bytes from the id on.
fn list(id: &str, answer: &str) -> (Activity, Vec<(&'static str, String)>) {
    let bytes = hex(answer);
    let mut data = vec![0xFF, 9];
    data.extend(word(bytes.len()));
    data.extend(bytes);
    let answer = unit(7, 6, None, &hex("000112 08 12 84 01 01 00 00 0000"), &data);
    let player =
        after_connect(vec![(A, user(6, "000112 04 11 44 01 00", &format!("FF 09 0004 {id}"))), (B, dt(&answer))]);
    let identities = player.recorder.identities.iter();
    let properties = identities.map(|identity| (identity.property, identity.value.clone())).collect();
    (player.recorder.activities[1].clone(), properties)
}

#[test]
fn status_lists_tell_identity_and_state() {
    let order = "36455337203331352D32454831342D304142302000C0";
    let (activity, properties) =
        list("0011 0000", &format!("0011 0000 001C 0002 0001 {order} 0003 0001 0007 {order} 5603 0206"));
    assert_eq!((activity.operation, place(&activity.target)), (Operation::Identify, ("szl", Some(0x11), 0, 0, 0)));
    let wanted = [("order-number", "6ES7 315-2EH14-0AB0"), ("firmware", "V3.2.6")];
    assert_eq!(properties, wanted.map(|(property, value)| (property, value.to_owned())));
    let name = format!("001C 0000 0022 0001 0002 504C435F31 {}", "00".repeat(27));
    assert_eq!(list("001C 0000", &name).1, [("module", "PLC_1".to_owned())]);
    let (activity, properties) =
        list("0132 0004", &format!("0132 0004 0028 0001 0004 0001 0000 0003 0002 {}", "00".repeat(30)));
    assert_eq!((activity.operation, activity.target.number), (Operation::ReadMode, Some(0x132)));
    let wanted = [("protection-level", "3".to_owned()), ("key-switch", "RUN-P".to_owned())];
    assert_eq!(properties, wanted);
    let state = format!("0424 0000 0014 0001 5144 FF 64 {}", "00".repeat(16));
    assert_eq!(list("0424 0000", &state).1, [("run-state", "stop".to_owned())]);
}

#[test]
fn a_status_list_in_parts_is_put_together() {
    let name = hex(&format!("001C 0000 0022 0001 0005 53432D31323334 {}", "00".repeat(25)));
    let (front, back) = name.split_at(20);
    let data = |bytes: &[u8]| [&[0xFF, 9][..], &word(bytes.len()), bytes].concat();
    let player = after_connect(vec![
        (A, user(6, "000112 04 11 44 01 00", "FF 09 0004 001C 0000")),
        (B, dt(&unit(7, 6, None, &hex("000112 08 12 84 01 03 09 01 0000"), &data(front)))),
        (A, user(7, "000112 08 12 44 01 03 00 00 0000", "0A 00 0000")),
        (B, dt(&unit(7, 7, None, &hex("000112 08 12 84 01 03 09 00 0000"), &data(back)))),
    ]);
    assert_eq!(player.recorder.identities.len(), 1);
    assert_eq!(player.recorder.identities[0].value, "SC-1234");
    assert_eq!(player.recorder.identities[0].device.sub, SubAddress::RackSlot(0, 2));
    for activity in &player.recorder.activities[1..] {
        assert_eq!((activity.target.space, activity.target.number), ("szl", Some(0x1C)));
    }
    let last = player.recorder.messages.last().expect("a message");
    assert_eq!(field(last, "s7comm.szl.001c.0005.serialn"), [FieldValue::Text("SC-1234".to_owned())]);
    assert_eq!(field(last, "s7comm.fragment"), [4, 6].map(FieldValue::Unsigned));
}

#[test]
fn user_data_of_every_group() {
    let call = |group: u8, sub: u8, data: &str, answer: &str| {
        let request = unit(7, 8, None, &[0, 1, 0x12, 4, 0x11, 0x40 | group, sub, 0], &hex(data));
        let param = [0, 1, 0x12, 8, 0x12, 0x80 | group, sub, 1, 0, 0, 0, 0];
        clean(dt(&request), dt(&unit(7, 8, None, &param, &hex(answer))))
    };
    let empty = "0A 00 0000";
    let blocks = call(3, 1, empty, "FF 09 0004 30380001");
    assert_eq!((blocks.operation, blocks.target.space, name(&blocks)), (Operation::Identify, "block", ""));
    assert_eq!(blocks.function.code, 0x0703);
    assert_eq!(call(3, 2, "FF 09 0002 3038", "FF 09 0004 00012203").operation, Operation::Identify);
    assert_eq!(name(&call(3, 3, "FF 09 0008 3041303030303142", empty)), "DB 1");
    assert_eq!(call(4, 2, "FF 09 000A 03 00 61736D6573730000", empty).operation, Operation::CommsOn);
    assert_eq!(call(4, 2, "FF 09 000A 00 00 61736D6573730000", empty).operation, Operation::CommsOff);
    let password = call(5, 1, "FF 09 0008 0102030405060708", empty);
    assert_eq!(
        (password.operation, password.values, password.target),
        (Operation::Authenticate, Values::None, Target::default())
    );
    assert_eq!(call(5, 2, empty, empty).function.name, "Clear password");
    assert_eq!(call(6, 7, "FF 09 0002 0001", empty).function.name, "PBC BSEND/BRECV");
    assert_eq!(call(7, 1, empty, "FF 09 000A 00 19 1408201205361124").operation, Operation::Read);
    assert_eq!(call(7, 2, "FF 09 000A 00 19 1408201205361124", empty).operation, Operation::TimeSet);
    assert_eq!(call(1, 0x0C, "FF 09 0004 0000 0000", empty).operation, Operation::ProgramDelete);
    assert_eq!(call(0xF, 1, "FF 09 0002 0001", empty).operation, Operation::ProgramWrite);
    assert_eq!(call(0xE, 9, empty, empty).operation, Operation::Unknown);
    assert_eq!(call(4, 0x77, empty, empty).function.name, "CPU functions");
}

#[test]
fn forced_and_modified_variables_have_addresses_and_values() {
    // Two variables: byte 8 of the flags, and output 0.1.
    let tis = "FF 09 0032 0014 001A 0000 0001 0001 0000 0000 0001 0001 0001 0001 0000
               0002 01 01 0000 0008 20 01 0000 0000 00 09 0001 07 00 00 03 0001 01 00";
    for (sub, class) in [("08", Operation::Force), ("09", Operation::Force), ("02", Operation::Read)] {
        let request = user(8, &format!("000112 08 12 41 {sub} 00 00 00 0000"), tis);
        let answer = user(8, &format!("000112 08 12 81 {sub} 01 00 00 0000"), "0A 00 0000");
        let activities = all(vec![(A, request), (B, answer)]);
        let places: Vec<_> = activities.iter().map(|activity| place(&activity.target)).collect();
        assert_eq!(places, [("flags", None, 64, 1, 8), ("outputs", None, 1, 1, 1)]);
        assert!(activities.iter().all(|activity| activity.operation == class));
        if class == Operation::Force {
            assert_eq!(activities[0].values, Values::Numbers(vec![7.0]));
            assert_eq!(activities[1].values, Values::Bits(vec![true]));
        }
    }
}

#[test]
fn a_wrong_password_is_refused() {
    let activity = one(
        user(8, "000112 04 11 45 01 00", "FF 09 0008 0102030405060708"),
        user(8, "000112 08 12 85 01 01 00 00 D602", "0A 00 0000"),
    );
    assert_eq!(activity.outcome, Outcome::Rejected(0xD602, "wrong password"));
    let player = after_connect(vec![(A, user(8, "000112 04 11 45 01 00", "FF 09 0008 0102030405060708"))]);
    let shown = player.recorder.messages.iter().flat_map(|message| &message.fields);
    assert!(!shown.into_iter().any(|(_, value)| matches!(value, FieldValue::Bytes(bytes) if bytes.len() >= 8)));
}

#[test]
fn what_a_controller_tells_by_itself() {
    let player = after_connect(vec![
        (B, user(0, "000112 08 12 00 00 01 00 00 0000", "0A 00 0000")),
        (B, user(0, "000112 08 12 04 03 01 00 00 0000", "FF 09 0014 4302 FF 00 0000 0000 00000000 1408201205361124")),
    ]);
    let activities = &player.recorder.activities[1..];
    assert_eq!(activities[0].function.name, "Mode transition: STOP");
    assert_eq!((activities[0].operation, activities[0].sender), (Operation::ReadMode, B));
    assert_eq!(activities[1].function.name, "Diagnostic message");
    let identity = &player.recorder.identities[0];
    assert_eq!((identity.property, identity.value.as_str()), ("run-state", "stop"));
}

#[test]
fn cyclic_reads_keep_their_addresses() {
    let request = user(8, "000112 04 11 42 01 00", "FF 09 0010 0001 01 0A 120A 10 04 0001 000A 84 000020");
    let answer = user(8, "000112 08 12 82 01 05 00 00 0000", "FF 09 0008 0001 FF 04 0010 0007");
    let pushed = user(0, "000112 08 12 02 01 05 00 00 0000", "FF 09 0008 0001 FF 04 0010 0008");
    let activities = all(vec![(A, request), (B, answer), (B, pushed)]);
    assert_eq!(activities.len(), 2);
    for (activity, value) in activities.iter().zip([7.0, 8.0]) {
        assert_eq!(
            (activity.operation, place(&activity.target)),
            (Operation::Read, ("data-block", Some(10), 32, 1, 16))
        );
        assert_eq!(activity.values, Values::Numbers(vec![value]));
    }
}

#[test]
fn an_answer_to_nothing_or_to_something_else() {
    let read = "04 01 120A 10 02 0001 0001 84 000000";
    assert_eq!(rules(&all(vec![(A, job(1, SETUP, "")), (B, ack(2, 0, "29", ""))])[0]), ["s7-response-mismatch"]);
    let other = one(job(2, read, ""), ack(2, 0, "05 01", "FF"));
    assert_eq!(rules(&other), ["s7-response-mismatch"]);
    let items = one(job(2, read, ""), ack(2, 0, "04 02", "FF 04 0008 07 00 FF 04 0008 07"));
    assert_eq!(rules(&items), ["s7-response-mismatch"]);
    // Where the beginning was not seen, the job may be missing for that.
    let script =
        Script { client: None, ports: [40000, 102], segments: vec![(A, job(1, SETUP, "")), (B, ack(2, 0, "29", ""))] };
    let activities = play(&S7COMM, &script).recorder.activities;
    assert!(activities.iter().all(|activity| activity.violations.is_empty()));
}

#[test]
fn damage_is_told_and_decoding_goes_on() {
    let good = || [(A, job(1, SETUP, "")), (B, ack(1, 0, "F0 00 0001 0001 00F0", ""))];
    let damaged = |bytes: Vec<u8>| {
        let player = play(&S7COMM, &script([connect(), vec![(A, bytes)], good().to_vec()].concat()));
        let activities = player.recorder.activities;
        let setup =
            activities.iter().find(|activity| activity.function.code == 0xF0 && activity.outcome == Outcome::Ok);
        assert!(setup.is_some_and(|setup| setup.violations.is_empty()), "{activities:#?}");
        assert!(player.recorder.messages.iter().any(|message| !message.violations.is_empty()));
        let found: Vec<_> = activities.iter().flat_map(|activity| &activity.violations).cloned().collect();
        assert!(found.iter().all(|violation| violation.rule == "s7-bad-header"), "{found:#?}");
        found.iter().map(|violation| (violation.layer, violation.offset)).collect::<Vec<_>>()
    };
    let with = |at: usize, byte: u8| {
        let mut bytes = job(9, "29 0000000000 09 505F50524F4752414D", "");
        bytes[at] = byte;
        bytes
    };
    for transfer in ["1B 00", "1C 00 0000 00000001", "1D 00 0000 00000000 09 5F30", "1E 00", "1F 00 0000"] {
        assert_eq!(damaged(job(9, transfer, "")), [("s7comm", 10)], "{transfer}");
    }
    assert_eq!(damaged(with(0, 4)), [("tpkt", 0)]);
    assert_eq!(damaged(with(1, 4)), [("tpkt", 1)]);
    assert_eq!(damaged(with(3, 6)), [("tpkt", 2)]);
    assert_eq!(damaged(with(5, 0)), [("cotp", 1)]);
    assert_eq!(damaged(with(4, 200)), [("cotp", 0)]);
    assert_eq!(damaged(with(8, 9)), [("s7comm", 1)]);
    assert_eq!(damaged(with(14, 99)), [("s7comm", 6)]);
    assert_eq!(damaged(job(9, "F0 00 0001 0001", "")), [("s7comm", 10)]);
    assert_eq!(damaged(job(9, "04 02 120A 10 02 0001 0001 84 000000", "")), [("s7comm", 11)]);
    assert_eq!(damaged(job(9, "05 01 120A 10 02 0001 0001 84 000000", "")), [("s7comm", 24)]);
    assert_eq!(damaged(job(9, "28 0000", "")), [("s7comm", 10)]);
    assert_eq!(damaged(dt(&hex("32 01 00"))), [("s7comm", 0)]);
    assert_eq!(damaged(user(9, "000112", "")), [("s7comm", 10)]);
    assert_eq!(damaged(user(9, "000112 04 11 44 01 00", "FF 09 0040 0011")), [("s7comm", 20)]);
}

#[test]
fn other_user_data_on_a_known_connection_is_damage() {
    let player = play(&S7COMM, &script([connect(), vec![(A, job(1, SETUP, "")), (A, dt(&[0x99, 1, 2]))]].concat()));
    assert_eq!(player.recorder.skipped, 10);
    assert!(player.recorder.activities.iter().any(|activity| rules(activity) == ["s7-bad-header"]));
}

#[test]
fn jobs_without_an_answer() {
    let mut player = Player::new(&S7COMM, &script(vec![]), false);
    for (direction, bytes) in connect() {
        player.segment(direction, &bytes);
    }
    player.segment(A, &job(4, "29 0000000000 09 505F50524F4752414D", ""));
    assert!(player.wants_tick());
    player.advance(6 * SECOND);
    player.tick();
    assert_eq!(player.recorder.activities[1].outcome, Outcome::Unanswered);
    // A late answer is no mismatch.
    player.segment(B, &ack(4, 0, "29", ""));
    assert_eq!(player.recorder.activities[2].outcome, Outcome::Ok);
    assert!(player.recorder.activities[2].violations.is_empty());
    assert!(!player.wants_tick());
}

#[test]
fn user_data_in_several_data_units() {
    let whole = unit(1, 1, None, &hex("04 01 120A 10 02 0001 0001 84 000000"), &[]);
    let (front, back) = whole.split_at(9);
    let first = tpkt(&[&[2, 0xF0, 0x00][..], front].concat());
    let activities = all(vec![
        (A, [first, dt(back)].concat()),
        (B, [tpkt(&[2, 0xF0, 0x00]), ack(1, 0, "04 01", "FF 04 0008 07")].concat()),
    ]);
    assert_eq!(activities[0].values, Values::Numbers(vec![7.0]));
    let messages =
        after_connect(vec![(A, [tpkt(&[&[2, 0xF0, 0x00][..], front].concat()), dt(back)].concat())]).recorder.messages;
    assert_eq!(messages.len(), 4, "a line for each packet");
    assert_eq!(field(&messages[3], "cotp.segment.count"), [FieldValue::Unsigned(2)]);
}

#[test]
fn roles_come_from_the_messages() {
    for (first, client) in [
        (job(1, SETUP, ""), B),
        (ack(1, 0, "F0 00 0001 0001 00F0", ""), A),
        (job(1, &format!("1B 00 0000 00000000 {FILE}"), ""), A),
        (user(6, "000112 04 11 44 01 00", "FF 09 0004 001C 0000"), B),
    ] {
        let script = Script { client: None, ports: [40000, 41000], segments: vec![(B, first)] };
        assert_eq!(play(&S7COMM, &script).client(), Some(client));
    }
}

#[test]
fn open_jobs_are_few() {
    let segments: Vec<_> = (0..200).map(|reference| (A, job(reference, SETUP, ""))).collect();
    let player = after_connect(segments);
    assert_eq!(player.recorder.evicted, 200 - 64);
    assert_eq!(player.recorder.activities.len(), 201);
}

/// Of everything something.
fn plant() -> Script {
    let mut segments = connect();
    segments.extend([
        (A, job(1, SETUP, "")),
        (B, ack(1, 0, "F0 00 0001 0001 00F0", "")),
        (A, job(2, "04 02 120A 10 02 0001 0001 84 000000 120A 10 08 0001 0001 84 000020", "")),
        (B, ack(2, 0, "04 02", "FF 04 0008 07 00 FF 07 0004 4133851F")),
        (A, job(3, "05 01 120A 10 04 0001 000A 84 000020", "00 04 0010 1234")),
        (B, ack(3, 0, "05 01", "FF")),
        (A, user(6, "000112 04 11 44 01 00", "FF 09 0004 0424 0000")),
        (
            B,
            user(
                6,
                "000112 08 12 84 01 01 00 00 0000",
                &format!("FF 09 001C 0424 0000 0014 0001 5144 FF 64 {}", "00".repeat(16)),
            ),
        ),
        (A, job(7, &format!("1A 00 0100 00000000 {FILE} 0D 31 303030303830 303030303038"), "")),
        (B, ack(7, 0, "1A", "")),
        (B, job(0x100, &format!("1B 00 0000 00000000 {FILE}"), "")),
        (A, dt(&unit(3, 0x100, Some(0), &[0x1B, 0], &part(&program())))),
        (B, job(0x101, &format!("1C 00 0000 00000000 {FILE}"), "")),
        (A, ack(0x101, 0, "1C", "")),
        (A, job(8, "29 0000000000 09 505F50524F4752414D", "")),
        (B, ack(8, 0, "29", "")),
        (B, user(0, "000112 08 12 00 00 01 00 00 0000", "0A 00 0000")),
    ]);
    script(segments)
}

#[test]
fn conformance_suite() {
    conformance::all(&S7COMM, &plant());
    conformance::all(&S7COMM, &Script { client: None, ..plant() });
    conformance::survives_noise(&S7COMM_PLUS, &plant(), 100);
}

#[test]
fn every_field_is_documented() {
    let known: Vec<_> = S7COMM.fields().iter().map(|doc| doc.name).collect();
    let mut names = known.clone();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), known.len(), "each once");
    for message in play(&S7COMM, &plant()).recorder.messages {
        for (name, _) in message.fields {
            assert!(known.contains(&name), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_part_of_a_unit_is_survived(kind in 0_u8..9, param in proptest::collection::vec(any::<u8>(), 0..64), data in proptest::collection::vec(any::<u8>(), 0..64)) {
        let error = matches!(kind, 2 | 3).then_some(0);
        let request = dt(&unit(kind, 1, error, &param, &data));
        let answer = dt(&unit(3, 1, Some(0), param.get(..2.min(param.len())).unwrap_or_default(), &data));
        let length = request.len() + answer.len();
        let player = play(&S7COMM, &script(vec![(A, request), (B, answer)]));
        prop_assert_eq!(player.recorder.decoded + player.recorder.skipped, length);
    }

    #[test]
    fn any_function_with_any_parameters_is_survived(function in any::<u8>(), rest in proptest::collection::vec(any::<u8>(), 0..48), data in proptest::collection::vec(any::<u8>(), 0..48)) {
        let param = [&[function][..], &rest].concat();
        let request = dt(&unit(1, 1, None, &param, &data));
        let answer = dt(&unit(3, 1, Some(0), &[function, 1], &data));
        let player = play(&S7COMM, &script(vec![(A, request), (B, answer)]));
        prop_assert!(!player.recorder.activities.is_empty());
    }

    #[test]
    fn any_user_data_is_survived(group in 0_u8..16, sub in 0_u8..32, body in proptest::collection::vec(any::<u8>(), 0..80)) {
        let data = [&[0xFF, 9][..], &word(body.len()), &body].concat();
        let request = dt(&unit(7, 1, None, &[0, 1, 0x12, 4, 0x11, 0x40 | group, sub, 0], &data));
        let answer = dt(&unit(7, 1, None, &[0, 1, 0x12, 8, 0x12, 0x80 | group, sub, 1, 0, 0, 0, 0], &data));
        let pushed = dt(&unit(7, 0, None, &[0, 1, 0x12, 8, 0x12, group, sub, 1, 0, 0, 0, 0], &data));
        let player = play(&S7COMM, &script(vec![(A, request), (B, answer), (B, pushed)]));
        prop_assert!(player.recorder.activities.len() >= 2);
        prop_assert_eq!(player.recorder.skipped, 0);
    }
}
