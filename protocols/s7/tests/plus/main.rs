//! S7comm-plus conversations: what they mean, and what is told of damaged ones.

#![allow(clippy::unwrap_used, reason = "test code")]

mod bytes;

use bytes::*;
use ot_protocol::conformance::{self, Player, Script};
use ot_protocol::{Activity, Direction, FieldValue, Finish, Message, Operation, Outcome, Protocol, Values};
use ot_s7::S7COMM_PLUS;
use proptest::prelude::*;

const CLIENT: Direction = Direction::AtoB;
const SERVER: Direction = Direction::BtoA;

const EXPLORE: u16 = 0x04BB;
const CREATE_OBJECT: u16 = 0x04CA;
const DELETE_OBJECT: u16 = 0x04D4;
const SET_VARIABLE: u16 = 0x04F2;
const SET_MULTI: u16 = 0x0542;
const GET_MULTI: u16 = 0x054C;
const SET_STREAMED: u16 = 0x057C;
const GET_STREAMED: u16 = 0x0586;
const INIT_SSL: u16 = 0x05B3;

fn play(segments: &[(Direction, Vec<u8>)]) -> Player {
    let script = script(segments.to_vec());
    conformance::play(&S7COMM_PLUS, &script)
}

fn script(segments: Vec<(Direction, Vec<u8>)>) -> Script {
    Script { client: Some(CLIENT), ports: [50_000, 102], segments }
}

fn activities(player: &Player) -> &[Activity] {
    &player.recorder.activities
}

fn identity<'a>(player: &'a Player, property: &str) -> Option<&'a str> {
    player.recorder.identities.iter().rfind(|told| told.property == property).map(|told| told.value.as_str())
}

fn number(message: &Message, name: &str) -> Option<u64> {
    message.fields.iter().find(|(known, _)| *known == name).and_then(|(_, value)| match value {
        FieldValue::Unsigned(number) => Some(*number),
        _ => None,
    })
}

fn words(message: &Message, name: &str) -> Option<String> {
    message.fields.iter().find(|(known, _)| *known == name).and_then(|(_, value)| match value {
        FieldValue::Text(text) => Some(text.clone()),
        _ => None,
    })
}

/// Reads of one or more variables.
fn read(version: u8, sequence: u16, addresses: &[Vec<u8>]) -> Vec<u8> {
    let count = u32::try_from(addresses.len()).unwrap();
    let content =
        join(&[&[0; 4], &vlq(count), &vlq(count * 5), &addresses.concat(), &qualifier(), &tail(u32::from(sequence))]);
    whole(version, &request(GET_MULTI, sequence, 0x34, &content))
}

fn values(version: u8, sequence: u16, values: &[Vec<u8>], errors: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    for (value, item) in values.iter().zip(1_u32..) {
        if !value.is_empty() {
            content.extend(join(&[&vlq(item), value]));
        }
    }
    content.extend(join(&[&[0], errors, &[0], &tail(u32::from(sequence) * 2)]));
    whole(version, &response(GET_MULTI, sequence, &[0], &content))
}

fn create(version: u8, sequence: u16, parent: u32, made: &[u8]) -> Vec<u8> {
    let id = if version == 1 { Vec::new() } else { vlq(9) };
    let content = join(&[&parent.to_be_bytes(), &udint(0), &[0; 4], &id, made, &[0; 4]]);
    whole(version, &request(CREATE_OBJECT, sequence, 0x36, &content))
}

fn created(version: u8, sequence: u16, ids: &[u32], made: &[u8]) -> Vec<u8> {
    let mut content = vec![u8::try_from(ids.len()).unwrap()];
    content.extend(ids.iter().flat_map(|id| vlq(*id)));
    content.extend_from_slice(made);
    content.extend(if version == 1 { vec![0; 4] } else { tail(77) });
    whole(version, &response(CREATE_OBJECT, sequence, &[0], &content))
}

fn set_variable(sequence: u16, flags: u8, object: u32, attribute: u32, value: &[u8]) -> Vec<u8> {
    let content =
        join(&[&object.to_be_bytes(), &[1], &vlq(attribute), value, &[0], &qualifier(), &tail(u32::from(sequence))]);
    whole(3, &request(SET_VARIABLE, sequence, flags, &content))
}

fn done(function: u16, sequence: u16) -> Vec<u8> {
    let errors: &[u8] = if function == SET_MULTI { &[0] } else { &[] };
    whole(3, &response(function, sequence, &[0], &join(&[errors, &tail(5)])))
}

/// A session, with the identity that the controller tells.
fn session() -> Vec<(Direction, Vec<u8>)> {
    let asked = object(211, 287, &[(233, text("ServerSession_1")), (300, udint(1))], &object(211, 255, &[], &[]));
    let version = structure(314, &[(315, udint(512)), (319, text("1;6ES7 212-1BE40-0XB0;V4.2"))]);
    let given = object(288, 287, &[(306, version)], &[]);
    vec![(CLIENT, create(1, 1, 285, &asked)), (SERVER, created(1, 1, &[SESSION, 0x395], &given))]
}

#[test]
fn a_session_tells_order_number_and_firmware() {
    let player = play(&session());
    let [session] = activities(&player) else { panic!("one activity: {:?}", activities(&player)) };
    assert_eq!(session.operation, Operation::Session);
    assert_eq!((session.function.code, session.function.name), (0x04CA, "CreateObject"));
    assert_eq!(session.outcome, Outcome::Ok);
    assert!(session.latency.is_some());
    assert_eq!(identity(&player, "order-number"), Some("6ES7 212-1BE40-0XB0"));
    assert_eq!(identity(&player, "firmware"), Some("V4.2"));
    assert_eq!(identity(&player, "model"), Some("S7-1200 CPU 1212C"));
    assert_eq!(identity(&player, "vendor"), Some("Siemens"));
    let of_server = |told: &ot_protocol::Identity| told.device.port == 102;
    assert!(player.recorder.identities.iter().all(of_server));
    let messages = &player.recorder.messages;
    assert_eq!(number(&messages[0], "s7comm-plus.header.protocolversion"), Some(1));
    assert_eq!(number(&messages[0], "s7comm-plus.data.opcode"), Some(0x31));
    assert_eq!(number(&messages[1], "s7comm-plus.data.function"), Some(0x04CA));
    assert!(messages.iter().all(|message| number(message, "s7comm-plus.unknown_bytes").is_none()));
}

#[test]
fn reads_have_targets_and_values() {
    let tag = address(0x1122_3344, 0x8A0E_0005, 2550, &[9, 1]);
    let block = address(0, 0x8A0E_0007, 2550, &[3, 12, 2]);
    let flag = address(0, 82, 3736, &[3, 20, 1, 5]);
    let lost = address(0, 0x8A0E_0063, 2550, &[3, 0, 4]);
    let errors = join(&[&vlq(4), &not_found()]);
    for version in [2, 3] {
        let player = play(&[
            (CLIENT, read(version, 7, &[tag.clone(), block.clone(), flag.clone(), lost.clone()])),
            (SERVER, values(version, 7, &[real(1.5), int(-3), boolean(true), Vec::new()], &errors)),
        ]);
        let [tag, block, flag, lost] = activities(&player) else { panic!("{:?}", activities(&player)) };
        assert_eq!((tag.operation, tag.target.space, tag.target.number), (Operation::Read, "tag", Some(0x1122_3344)));
        assert_eq!(tag.target.name.as_deref(), Some("DB 5 LID 9.1"));
        assert_eq!(tag.values, Values::Numbers(vec![1.5]));
        let place = |activity: &Activity| {
            let target = &activity.target;
            (target.space, target.number, target.start, target.width, target.count)
        };
        assert_eq!(place(block), ("data-block", Some(7), 96, 16, 1));
        assert_eq!(block.values, Values::Numbers(vec![-3.0]));
        assert_eq!(place(flag), ("flags", None, 165, 1, 1));
        assert_eq!(flag.values, Values::Numbers(vec![1.0]));
        assert_eq!(place(lost), ("data-block", Some(0x63), 0, 32, 1));
        assert_eq!(lost.outcome, Outcome::Rejected(0xFFF4, "object not found"));
        assert_eq!(lost.values, Values::None);
        assert!(player.recorder.keys.iter().all(Option::is_some));
        assert_eq!(player.recorder.skipped, 0);
    }
}

#[test]
fn writes_to_outputs_are_control() {
    let written = |sequence, place: Vec<u8>, value: Vec<u8>| {
        let content = join(&[&[0; 4], &[1, 5], &place, &[1], &value, &[0], &qualifier(), &tail(3)]);
        whole(3, &request(SET_MULTI, sequence, 0x34, &content))
    };
    let refused = join(&[&vlq(1), &not_found(), &[0], &tail(5)]);
    let player = play(&[
        (CLIENT, written(1, address(0, 81, 3736, &[3, 4, 1, 0]), boolean(true))),
        (SERVER, done(SET_MULTI, 1)),
        (CLIENT, written(2, address(0x55, 0x8A0E_0001, 2550, &[10]), int(42))),
        (SERVER, whole(3, &response(SET_MULTI, 2, &[0x13], &refused))),
    ]);
    let [output, tag] = activities(&player) else { panic!("{:?}", activities(&player)) };
    assert_eq!((output.operation, output.target.space, output.target.start), (Operation::Control, "outputs", 32));
    assert_eq!(output.values, Values::Numbers(vec![1.0]));
    assert_eq!(output.outcome, Outcome::Ok);
    assert_eq!((tag.operation, tag.target.space, tag.target.number), (Operation::Write, "tag", Some(0x55)));
    assert_eq!(tag.values, Values::Numbers(vec![42.0]));
    assert_eq!(tag.outcome, Outcome::Rejected(0xFFF4, "object not found"));
}

#[test]
fn the_operating_state_is_asked_for_and_told() {
    let state = |sequence, code| {
        let diagnosis = structure(
            3481,
            &[(3482, dint(0)), (3483, dint(0)), (3484, udint(0)), (3485, udint(0)), (3486, dint(code))],
        );
        let content = join(&[&[0], &diagnosis, &tail(4)]);
        whole(3, &response(GET_STREAMED, sequence, &[0], &content))
    };
    let ask = |sequence| {
        let content = join(&[&52_u32.to_be_bytes(), &ids(&[2237]), &qualifier(), &[0, 1], &tail(3)]);
        whole(3, &request(GET_STREAMED, sequence, 0x34, &content))
    };
    let player = play(&[
        (CLIENT, ask(1)),
        (SERVER, state(1, 8)),
        (CLIENT, set_variable(2, 0x34, 52, 2167, &dint(1))),
        (SERVER, done(SET_VARIABLE, 2)),
        (CLIENT, ask(3)),
        (SERVER, state(3, 4)),
        (CLIENT, set_variable(4, 0x34, 52, 2167, &dint(3))),
        (SERVER, whole(3, &response(SET_VARIABLE, 4, &not_found(), &tail(9)))),
    ]);
    let told: Vec<_> = activities(&player).iter().map(|activity| (activity.operation, activity.outcome)).collect();
    let refused = Outcome::Rejected(0xFFF4, "object not found");
    assert_eq!(
        told,
        [
            (Operation::ReadMode, Outcome::Ok),
            (Operation::ModeStop, Outcome::Ok),
            (Operation::ReadMode, Outcome::Ok),
            (Operation::ModeRun, refused)
        ]
    );
    let name = activities(&player)[1].target.name.as_deref();
    assert_eq!(name, Some("theCPUexecUnit CPUexecUnit.OperatingStateREQ"));
    let states: Vec<_> = player.recorder.identities.iter().map(|told| (told.property, told.value.as_str())).collect();
    assert_eq!(states, [("protocol-version", "S7comm-plus V3"), ("run-state", "run"), ("run-state", "stop")]);
}

/// An organization block, as a download makes it.
fn block(number: u16, code: &[u8]) -> Vec<u8> {
    let attributes = [
        (233, text("Main")),
        (2521, join(&[&[0, 3], &number.to_be_bytes()])),
        (2523, vec![0, 3, 0, 2]),
        (2580, blob(code)),
    ];
    object(0x8A32_0000 | u32::from(number), 2647, &attributes, &[])
}

#[test]
fn blocks_are_written_read_and_deleted() {
    let delete = join(&[&0x8A32_0001_u32.to_be_bytes(), &[0], &qualifier(), &tail(8)]);
    let explore = join(&[&3_u32.to_be_bytes(), &[0, 1, 0, 0, 0, 1], &vlq(2521), &tail(9)]);
    let explored = join(&[&3_u32.to_be_bytes(), &vlq(12), &object(3, 2520, &[], &block(1, b"code of today")), &[0; 4]]);
    let player = play(&[
        (CLIENT, create(3, 1, 3, &block(1, b"code"))),
        (SERVER, created(3, 1, &[], &[])),
        (CLIENT, whole(3, &request(EXPLORE, 2, 0x34, &explore))),
        (SERVER, whole(3, &response(EXPLORE, 2, &[0], &explored))),
        (CLIENT, whole(3, &request(DELETE_OBJECT, 3, 0x34, &delete))),
        (SERVER, whole(3, &response(DELETE_OBJECT, 3, &[0], &join(&[&0x8A32_0001_u32.to_be_bytes(), &tail(1)])))),
    ]);
    let told: Vec<_> = activities(&player)
        .iter()
        .map(|activity| (activity.operation, activity.target.space, activity.target.name.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (Operation::ProgramWrite, "block", Some("OB 1 Main")),
            (Operation::ProgramRead, "object", Some("thePLCProgram")),
            (Operation::ProgramRead, "block", Some("OB 1")),
            (Operation::ProgramDelete, "block", Some("OB 1")),
        ]
    );
    let artifact = |place: usize| activities(&player)[place].artifact.as_deref().expect("a block");
    let (written, read) = (artifact(0), artifact(2));
    assert_eq!((written.kind, written.name.as_str(), written.complete), ("block", "OB 1", true));
    assert_eq!(&written.bytes[..], block(1, b"code"));
    assert_ne!(written.sha256, read.sha256);
    let attributes: Vec<_> = written.attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(attributes, [("class", "ProgramCycleOB"), ("name", "Main"), ("language", "LAD")]);
}

#[test]
fn fragments_are_put_together() {
    let data = request(
        CREATE_OBJECT,
        1,
        0x36,
        &join(&[&3_u32.to_be_bytes(), &udint(0), &[0; 4], &vlq(9), &block(7, &[0x31; 900]), &[0; 4]]),
    );
    let units: Vec<_> = data.chunks(300).collect();
    let count = units.len();
    let segments: Vec<_> = (units.iter().zip(1..))
        .map(|(unit, place)| (CLIENT, fragment(3, unit, place == count)))
        .chain([(SERVER, created(3, 1, &[], &[]))])
        .collect();
    let player = play(&segments);
    let [written] = activities(&player) else { panic!("{:?}", activities(&player)) };
    assert_eq!((written.operation, written.target.name.as_deref()), (Operation::ProgramWrite, Some("OB 7 Main")));
    assert_eq!(written.frames[0].number(), u64::try_from(count).unwrap());
    let kinds: Vec<_> = player.recorder.messages.iter().map(|message| words(message, "s7comm-plus.fragment")).collect();
    let kind = |name: &str| Some(name.to_owned());
    assert_eq!(kinds, [kind("first"), kind("inner"), kind("inner"), kind("last"), None]);
    let last = &player.recorder.messages[count - 1];
    assert_eq!(number(last, "s7comm-plus.reassembled.length"), u64::try_from(data.len()).ok());
    assert_eq!(number(last, "s7comm-plus.fragment.first_frame"), Some(1));
    assert_eq!(player.recorder.skipped, 0);
    assert_eq!(player.recorder.decoded, segments.iter().map(|(_, bytes)| bytes.len()).sum::<usize>());
}

#[test]
fn a_message_without_its_beginning_is_passed_over() {
    let data = request(CREATE_OBJECT, 1, 0x36, &join(&[&3_u32.to_be_bytes(), &block(7, &[0x33; 500])]));
    let middle = fragment(3, &data[300..400], false);
    let end = fragment(3, &data[400..], true);
    let player = play(&[
        (CLIENT, middle),
        (CLIENT, end),
        (CLIENT, read(3, 2, &[address(1, 82, 3736, &[9])])),
        (SERVER, values(3, 2, &[int(5)], &[])),
    ]);
    let [read] = activities(&player) else { panic!("{:?}", activities(&player)) };
    assert_eq!((read.operation, read.outcome), (Operation::Read, Outcome::Ok));
    assert_eq!(player.recorder.skipped, data.len() - 300);
    assert_eq!(player.recorder.messages.len(), 4);
}

#[test]
fn bytes_lost_within_a_message_end_it() {
    let data = request(
        CREATE_OBJECT,
        1,
        0x36,
        &join(&[&3_u32.to_be_bytes(), &udint(0), &[0; 4], &vlq(9), &block(7, &[0x44; 500])]),
    );
    let mut player = Player::new(&S7COMM_PLUS, &script(Vec::new()), false);
    player.segment(CLIENT, &fragment(3, &data[..300], false));
    player.lose(CLIENT, 300);
    player.segment(CLIENT, &fragment(3, &data[400..], true));
    player.segment(CLIENT, &read(3, 2, &[address(1, 82, 3736, &[9])]));
    player.segment(SERVER, &values(3, 2, &[int(5)], &[]));
    player.finish(Finish::EndOfInput);
    let told: Vec<_> = player.recorder.activities.iter().map(|it| (it.operation, it.outcome)).collect();
    // What the first fragment told stands; what became of it is not known.
    assert_eq!(told, [(Operation::Read, Outcome::Ok), (Operation::ProgramWrite, Outcome::Pending)]);
}

#[test]
fn notifications_tell_what_was_subscribed_to() {
    let references = ids(&[
        0x8001_0000,
        0,
        2,
        0x8004_0002,
        11,
        0,
        0x8A0E_0002,
        0x77,
        2550,
        10,
        0x8004_0002,
        12,
        0,
        52,
        0,
        2237,
        3486,
    ]);
    let subscription = object(0x7FFF_C001, 1001, &[(1048, references), (1049, udint(100))], &[]);
    let notification = |number: u8, content: &[u8]| {
        let head = [&[NOTIFICATION][..], &0x7040_0008_u32.to_be_bytes(), &[4, 0, 0, 0, 0, 0, 0, number, 1]].concat();
        whole(3, &join(&[&head, content, &[0], &[0; 4]]))
    };
    let value = |reference: u32, value: Vec<u8>| join(&[&[0x92], &reference.to_be_bytes(), &value]);
    let player = play(&[
        (CLIENT, create(3, 1, SESSION, &subscription)),
        (SERVER, created(3, 1, &[0x7040_0008], &[])),
        (SERVER, notification(1, &join(&[&value(11, real(20.5)), &value(12, dint(8))]))),
        (SERVER, notification(2, &[])),
        (CLIENT, set_variable(2, 0x74, 0x7040_0008, 1053, &int(19))),
    ]);
    let told: Vec<_> = activities(&player)
        .iter()
        .map(|it| (it.operation, it.function.name, it.target.name.as_deref(), it.outcome))
        .collect();
    assert_eq!(
        told,
        [
            (Operation::CommsOn, "CreateObject", Some("ClassSubscription"), Outcome::Ok),
            (Operation::Read, "Notification", Some("DB 2 LID 10"), Outcome::Ok),
            (Operation::ReadMode, "Notification", Some("theCPUexecUnit HWObject.DIS LID 3486"), Outcome::Ok),
            (Operation::Session, "Notification", Some("ClassSubscription"), Outcome::Ok),
            // Its transport flags want no response.
            (Operation::CommsOn, "SetVariable", Some("ClassSubscription SubscriptionCreditLimit"), Outcome::Pending),
        ]
    );
    assert_eq!(activities(&player)[1].values, Values::Numbers(vec![20.5]));
    assert_eq!(identity(&player, "run-state"), Some("run"));
    assert!(activities(&player)[1].server.port == 102);
}

#[test]
fn a_stream_is_kept_as_a_file() {
    let file = b"FSF\0\0\x09data1.srt and what follows".to_vec();
    let content = join(&[&0x0262_5AC9_u32.to_be_bytes(), &ids(&[0x71E9EA]), &qualifier(), &[0, 1], &blob(&file)]);
    let first = fragment(2, &request(SET_STREAMED, 1, 0x34, &content), false);
    let piece = |bytes: &[u8]| join(&[&vlq(u32::try_from(bytes.len()).unwrap()), bytes]);
    let player = play(&[
        (CLIENT, first),
        (CLIENT, fragment(2, &piece(b" more"), false)),
        (CLIENT, fragment(2, &join(&[&piece(b" end"), &tail(7)]), true)),
        (SERVER, whole(2, &response(SET_STREAMED, 1, &[0], &tail(8)))),
    ]);
    let [written] = activities(&player) else { panic!("{:?}", activities(&player)) };
    let artifact = written.artifact.as_deref().expect("a file");
    assert_eq!((artifact.kind, artifact.name.as_str(), artifact.complete), ("file", "data1.srt", true));
    assert_eq!(&artifact.bytes[..], join(&[&file, b" more end"]));
    assert_eq!(player.recorder.skipped, 0);
}

#[test]
fn a_request_without_an_answer_is_told() {
    let mut player = Player::new(&S7COMM_PLUS, &script(Vec::new()), false);
    for (direction, segment) in session() {
        player.segment(direction, &segment);
    }
    player.segment(CLIENT, &set_variable(2, 0x34, 52, 2167, &dint(1)));
    assert!(player.wants_tick());
    player.advance(11_000_000_000);
    player.tick();
    assert!(!player.wants_tick());
    let last = player.recorder.activities.last().unwrap();
    assert_eq!((last.operation, last.outcome), (Operation::ModeStop, Outcome::Unanswered));
}

/// A TLS record.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    join(&[&[kind, 3, 3], &u16::try_from(content.len()).unwrap().to_be_bytes(), content])
}

fn hello(kind: u8, content: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(content.len()).unwrap().to_be_bytes();
    join(&[&[kind], &length, content])
}

#[test]
fn after_init_ssl_the_connection_is_followed() {
    let extension =
        |kind: u16, data: &[u8]| join(&[&kind.to_be_bytes(), &u16::try_from(data.len()).unwrap().to_be_bytes(), data]);
    let extensions = |all: &[u8]| join(&[&u16::try_from(all.len()).unwrap().to_be_bytes(), all]);
    let name = join(&[&[0, 9, 0, 0, 6], b"plc.ot"]);
    let offered = extension(43, &[4, 3, 4, 3, 3]);
    let client =
        join(&[&[3, 3], &[7; 32], &[0, 0, 2, 0x13, 2, 1, 0], &extensions(&join(&[&extension(0, &name), &offered]))]);
    let server = join(&[&[3, 3], &[8; 32], &[0, 0x13, 2, 0], &extensions(&extension(43, &[3, 4]))]);
    let client = record(22, &hello(1, &client));
    let (front, back) = client.split_at(40);
    let player = play(&[
        (CLIENT, whole(1, &request(INIT_SSL, 1, 0x30, &[0; 4]))),
        (SERVER, whole(1, &response(INIT_SSL, 1, &[0], &[0; 4]))),
        // A record over two units.
        (CLIENT, packet(front)),
        (CLIENT, packet(back)),
        (SERVER, packet(&join(&[&record(22, &hello(2, &server)), &record(20, &[1]), &record(23, &[9; 80])]))),
        (CLIENT, packet(&record(23, &[5; 60]))),
        (SERVER, packet(&record(23, &[6; 200])[..100])),
        // The rest of the record looks like a unit in the clear.
        (SERVER, packet(&[0x72; 105])),
    ]);
    let told: Vec<_> = activities(&player).iter().map(|it| (it.operation, it.function.name, it.outcome)).collect();
    assert_eq!(told, [(Operation::Session, "InitSsl", Outcome::Ok), (Operation::Session, "TLS", Outcome::Ok)]);
    assert_eq!(identity(&player, "encryption"), Some("tls"));
    assert_eq!(identity(&player, "tls-version"), Some("TLS 1.3"));
    assert_eq!(identity(&player, "tls-cipher"), Some("TLS_AES_256_GCM_SHA384"));
    let messages = &player.recorder.messages;
    assert_eq!(messages.len(), 8);
    assert_eq!(words(&messages[3], "s7comm-plus.tls.handshake.server_name").as_deref(), Some("plc.ot"));
    assert_eq!(number(&messages[4], "s7comm-plus.encrypted_bytes"), Some(80));
    assert_eq!(number(&messages[6], "s7comm-plus.tls.record.length"), Some(200));
    assert_eq!(number(&messages[7], "s7comm-plus.encrypted_bytes"), Some(105));
    assert_eq!(player.recorder.skipped, 0);
}

#[test]
fn departures_are_told_and_decoding_goes_on() {
    let mut bad_digest = vec![0x72, 3, 0, 19, 4, 1, 2, 3, 4];
    bad_digest.extend(&request(EXPLORE, 1, 0x34, &[])[..14]);
    let player = play(&[
        (CLIENT, read(3, 1, &[address(1, 82, 3736, &[9])])),
        (SERVER, values(3, 1, &[int(5)], &[])),
        (CLIENT, packet(&[0x72, 9, 0, 4, 1, 2, 3, 4])),
        (CLIENT, packet(&bad_digest)),
        (CLIENT, packet(&[0x72, 2, 1, 0, 0x31, 0, 0])),
        (CLIENT, read(3, 2, &[address(1, 82, 3736, &[9])])),
        (SERVER, values(3, 2, &[int(6)], &[])),
    ]);
    let faults: Vec<_> = (player.recorder.activities.iter())
        .flat_map(|activity| &activity.violations)
        .map(|violation| (violation.rule, violation.offset))
        .collect();
    assert_eq!(faults, [("s7-bad-header", 1), ("s7-bad-header", 4), ("s7-bad-header", 2)]);
    let reads = player.recorder.activities.iter().filter(|it| it.operation == Operation::Read).count();
    assert_eq!(reads, 2);
    assert!(player.recorder.skipped > 0);
}

#[test]
fn bytes_that_are_not_understood_are_counted() {
    // Data type 0x55 is none.
    let content = join(&[&[1, 0, 0x55, 1, 2, 3, 4]]);
    let player = play(&[
        (CLIENT, read(3, 1, &[address(1, 82, 3736, &[9])])),
        (SERVER, whole(3, &response(GET_MULTI, 1, &[0], &content))),
    ]);
    let message = player.recorder.messages.last().unwrap();
    let unknown = number(message, "s7comm-plus.unknown_bytes").unwrap();
    assert_eq!(usize::try_from(unknown).unwrap(), player.recorder.skipped);
    assert!(unknown >= 5, "{unknown}");
    // The response is one all the same.
    assert_eq!(player.recorder.activities[0].outcome, Outcome::Ok);
}

#[test]
fn system_events_and_keep_alives_are_messages() {
    let event = join(&[&[0; 4], &300_u32.to_be_bytes(), &[0; 8], b"LOGOUT"]);
    let failed = join(&[
        &[0; 4],
        &300_u32.to_be_bytes(),
        &[0; 8],
        &[0, 0, 0, 0x17],
        &40_300_u32.to_be_bytes(),
        &40_305_u32.to_be_bytes(),
        &[0, 0, 0, 9],
        &(-106_i64).to_be_bytes(),
        &[0; 4],
    ]);
    let unit = |data: &[u8]| join(&[&[0x72, 0xFE], &u16::try_from(data.len()).unwrap().to_be_bytes(), data]);
    let player = play(&[
        (CLIENT, packet(&unit(&event))),
        (SERVER, packet(&[0x72, 0xFF, 5, 0])),
        (SERVER, packet(&unit(&failed))),
    ]);
    let messages = &player.recorder.messages;
    assert_eq!(words(&messages[0], "s7comm-plus.sysevent.message").as_deref(), Some("LOGOUT"));
    assert_eq!(number(&messages[1], "s7comm-plus.header.keepaliveseqnum"), Some(5));
    let [told] = activities(&player) else { panic!("{:?}", activities(&player)) };
    assert_eq!(told.outcome, Outcome::Rejected(0xFF96, "invalid session"));
    assert_eq!(player.recorder.skipped, 0);
}

/// A conversation with a bit of everything.
fn conversation() -> Script {
    let mut segments = session();
    segments.extend([
        (CLIENT, read(3, 2, &[address(1, 82, 3736, &[9]), address(0, 0x8A0E_0001, 2550, &[3, 0, 2])])),
        (SERVER, values(3, 2, &[int(5), int(6)], &[])),
        (CLIENT, set_variable(3, 0x34, 52, 2167, &dint(1))),
        (SERVER, done(SET_VARIABLE, 3)),
        (CLIENT, create(3, 4, 3, &block(1, b"code"))),
        (SERVER, created(3, 4, &[], &[])),
    ]);
    script(segments)
}

#[test]
fn passes_the_suite() {
    conformance::all(&S7COMM_PLUS, &conversation());
}

#[test]
fn every_field_is_documented() {
    let player = conformance::play(&S7COMM_PLUS, &conversation());
    for message in &player.recorder.messages {
        for (name, _) in &message.fields {
            assert!(S7COMM_PLUS.fields().iter().any(|field| field.name == *name), "{name} is not documented");
        }
    }
}

proptest! {
    #[test]
    fn noise_neither_panics_nor_is_lost(
        version in 1_u8..=3,
        function in prop::sample::select(vec![
            EXPLORE, CREATE_OBJECT, DELETE_OBJECT, SET_VARIABLE, 0x04FC, 0x0524, SET_MULTI, GET_MULTI, 0x0556, 0x0560,
            0x056B, SET_STREAMED, GET_STREAMED, INIT_SSL,
        ]),
        answer in any::<bool>(),
        content in prop::collection::vec(prop_oneof![Just(0_u8), Just(0xA1), Just(0xA3), 0_u8..0x20, any::<u8>()], 0..200),
        last in any::<bool>(),
    ) {
        let data = if answer { response(function, 1, &[0], &content) } else { request(function, 1, 0x34, &content) };
        let direction = if answer { SERVER } else { CLIENT };
        let segment = fragment(version, &data, last);
        let player = play(&[(direction, segment.clone())]);
        prop_assert_eq!(player.recorder.decoded + player.recorder.skipped, segment.len());
    }

    #[test]
    fn noise_after_init_ssl(content in prop::collection::vec(prop_oneof![20_u8..24, 0_u8..5, any::<u8>()], 1..300)) {
        let start = [
            (CLIENT, whole(1, &request(INIT_SSL, 1, 0x30, &[0; 4]))),
            (SERVER, packet(&record(22, &content))),
            (SERVER, packet(&content)),
        ];
        play(&start);
    }
}
