//! Rules from text to hits, on messages made by hand.

#![allow(clippy::unwrap_used, reason = "tests")]

use ot_protocol::{
    Endpoint, FieldValue, FrameRef, Message, MessageWatch, Operation, Outcome, Protocol, RuleHit, SessionId, Timestamp,
    Transport, Watched, WatchedPayload,
};
use ot_rules::{RuleSet, Vocabulary};
use std::net::IpAddr;

fn vocabulary() -> Vocabulary {
    let protocols: [&dyn Protocol; 4] = [&ot_modbus::MODBUS, &ot_dnp3::DNP3, &ot_s7::S7COMM, &ot_s7::S7COMM_PLUS];
    let fields: Vec<_> = protocols.iter().map(|protocol| (protocol.id(), protocol.fields())).collect();
    let violations = protocols.iter().flat_map(|protocol| protocol.rules()).copied().collect();
    Vocabulary::new(&fields, vec!["T0836", "T0855"], violations)
        .with_addresses(&[("modbus.write.value", &["modbus.write.address"]), ("modbus.regval_", &["modbus.regnum16"])])
}

fn parse(text: &str) -> Result<RuleSet, Vec<String>> {
    RuleSet::parse(&[("rules.toml".to_owned(), text.to_owned())], &vocabulary())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn end(ip: &str, port: u16) -> Endpoint {
    Endpoint { ip: Some(ip.parse::<IpAddr>().unwrap()), port, ..Endpoint::default() }
}

/// A request to write registers 100, 101 … of 10.0.0.10.
fn write(values: &[u64]) -> Message {
    let mut fields = vec![
        ("mbtcp.unit_id", FieldValue::Unsigned(1)),
        ("modbus.func_code", FieldValue::Unsigned(16)),
        ("modbus.data", FieldValue::Bytes(vec![1, 2, 3])),
    ];
    for (address, value) in (100..).zip(values) {
        fields.push(("modbus.write.address", FieldValue::Unsigned(address)));
        fields.push(("modbus.write.value", FieldValue::Unsigned(*value)));
        fields.push(("modbus.bitval", FieldValue::Bool(*value > 0)));
    }
    Message {
        frame: FrameRef::new(0_u16, 7),
        time: Timestamp::new(1_000, 0),
        protocol: "modbus",
        source: end("10.0.0.5", 40_000),
        destination: end("10.0.0.10", 502),
        operation: Some(Operation::Write),
        outcome: None,
        latency: None,
        request: None,
        fields,
        violations: Vec::new(),
    }
}

fn look(set: &RuleSet, message: &Message, from_client: bool) -> Vec<RuleHit> {
    let mut hits = Vec::new();
    let wire = [0, 1, 0, 0, 0, 6, 1, 16];
    let watched = Watched { message, wire: &wire, session: SessionId(1), transport: Transport::Tcp, from_client };
    set.message(&watched, &mut hits);
    hits
}

/// Whether a condition holds on a write of these values.
fn holds(when: &str, values: &[u64]) -> bool {
    let set = parse(&format!("[[rule]]\nid = 'r'\nprotocol = 'modbus'\nwhen = '''{when}'''\n")).unwrap();
    !look(&set, &write(values), true).is_empty()
}

#[test]
fn conditions_hold() {
    for (when, values, wanted) in [
        ("modbus.func_code == 16", &[1][..], true),
        ("modbus.func_code == 0x10", &[1], true),
        ("modbus.func_code != 16", &[1], false),
        ("modbus.func_code in [5, 6, 15..16]", &[1], true),
        ("modbus.func_code not in [5, 6]", &[1], true),
        ("modbus.write.value > 4000", &[1, 4711], true),
        ("all modbus.write.value > 4000", &[1, 4711], false),
        ("all modbus.write.value > 4000", &[4712, 4711], true),
        ("modbus.write.value[101] > 4000", &[1, 4711], true),
        ("modbus.write.value[100] > 4000", &[1, 4711], false),
        ("modbus.write.value[7] > 4000", &[1, 4711], false),
        ("modbus.write.value & 0x04", &[8, 12], true),
        ("modbus.write.value & 0x04", &[8], false),
        ("modbus.write.value & 0x0c == 8", &[9], true),
        ("modbus.write.value & 0x0c != 8", &[9], false),
        ("modbus.bitval == true", &[0, 1], true),
        ("all modbus.bitval == true", &[0, 1], false),
        ("modbus.data == 01:02:03", &[1], true),
        ("modbus.data contains '02 03'", &[1], true),
        ("modbus.data starts_with 02", &[1], false),
        ("modbus.exception_code", &[1], false),
        ("not modbus.exception_code and modbus.data", &[1], true),
        ("operation == write", &[1], true),
        ("operation in [read, control]", &[1], false),
        ("ip.src == 10.0.0.0/29 && ip.dst != 10.0.0.5", &[1], true),
        ("ip.src in [10.0.1.0/24, 10.0.0.5]", &[1], true),
        ("dstport == 502 or srcport == 502", &[1], true),
        ("frame.time > '1970-01-01T00:10:00Z'", &[1], true),
        ("violations", &[1], false),
        ("protocol == modbus", &[1], true),
        ("protocol matches 'mod*s'", &[1], true),
        ("protocol contains BUS", &[1], true),
        ("modbus.write.value < 2.5", &[2], true),
        ("(modbus.func_code == 6 or modbus.func_code == 16) and !(modbus.write.value < 10)", &[10], true),
    ] {
        assert_eq!(holds(when, values), wanted, "{when} on {values:?}");
    }
}

#[test]
fn a_hit_tells_why_and_the_values() {
    let set = parse(
        "[[rule]]\nid = 'limit'\nwhen = 'modbus.func_code in [6, 16] and modbus.write.value[101] > 4000'\n\
         message = '{source}: {modbus.write.value} into {mbtcp.unit_id}{modbus.exception_code}'",
    )
    .unwrap();
    let hits = look(&set, &write(&[1, 4711]), true);
    assert_eq!(hits[0].because, "modbus.func_code 16 in [6, 16], modbus.write.value[101] 4711 > 4000");
    let message = set.rules()[0]
        .message
        .fill(|name| hits[0].values.iter().find(|(found, _)| *found == name).map(|(_, value)| value.clone()));
    assert_eq!(message, "–: 1, 4711 into 1–");
    assert_eq!((hits[0].frame.number(), hits[0].from_client, hits[0].protocol), (7, true, Some("modbus")));
}

#[test]
fn ends_ports_and_sides_count() {
    let rule = |more: &str| parse(&format!("[[rule]]\nid = 'r'\nprotocol = 'modbus'\n{more}\n")).unwrap();
    let message = write(&[1]);
    for (more, wanted) in [
        ("source = '10.0.0.5'", true),
        ("source = ['10.0.0.6', '10.0.0.5']", true),
        ("source = ['10.0.0.0/24', '!10.0.0.5']", false),
        ("source = '!10.0.0.5'", false),
        ("destination = '10.0.0.10'", true),
        // Only the engine knows names: the message alone does not rule them out.
        ("source = 'device:EWS-1'", true),
        ("source = '!tag:engineering'", true),
        ("source = ['!tag:engineering', '!10.0.0.5']", false),
        ("destination_port = 502", true),
        ("destination_port = ['500..510', '!502']", false),
        ("source_port = '!502'", true),
        ("from = 'client'", true),
        ("from = 'server'", false),
        ("payload = { content = '|10|', offset = 7, depth = 1 }", true),
        ("payload = { content = '|11|', offset = 7, depth = 1 }", false),
    ] {
        assert_eq!(!look(&rule(more), &message, true).is_empty(), wanted, "{more}");
    }
    let response = Message { outcome: Some(Outcome::Rejected(2, "Illegal Data Address")), ..write(&[]) };
    let rejected = parse("[[rule]]\nid='r'\nprotocol='modbus'\nwhen='outcome == rejected'").unwrap();
    assert_eq!(look(&rejected, &response, false)[0].outcome, response.outcome);
    assert!(look(&rejected, &message, true).is_empty());
}

#[test]
fn payload_of_ports_is_looked_at() {
    let set = parse(
        "[[rule]]\nid = 'who-is'\nprotocol = 'udp'\ndestination_port = 47808\npayload = '|81 0b|'\n\
         message = '{payload}'",
    )
    .unwrap();
    assert!(set.wants_payload() && !set.wants("modbus"));
    assert!(set.wants_ports(Transport::Udp, [47_808, 5_000]));
    assert!(!set.wants_ports(Transport::Tcp, [47_808, 5_000]));
    assert!(!set.wants_ports(Transport::Udp, [1, 2]));
    let look = |bytes: &[u8], port| {
        let mut hits = Vec::new();
        let watched = WatchedPayload {
            bytes,
            session: SessionId(1),
            transport: Transport::Udp,
            time: Timestamp::default(),
            frame: FrameRef::default(),
            source: end("10.0.0.5", 50_000),
            destination: end("10.0.0.255", port),
            from_client: true,
        };
        set.payload(&watched, &mut hits);
        hits
    };
    let hits = look(&[0x81, 0x0b, 0], 47_808);
    assert_eq!(hits[0].values, [("payload", "81:0b:00".to_owned())]);
    assert_eq!(hits[0].because, "payload of 3 bytes: |81 0b| anywhere");
    assert!(look(&[0x81, 0x0a], 47_808).is_empty());
    assert!(look(&[0x81, 0x0b], 47_809).is_empty());
}

#[test]
fn every_problem_is_told_with_its_line() {
    let told = parse(
        "top = 1\n\
         [[rule]]\n\
         id = 'a'\n\
         when = 'modbus.func_cod == 6'\n\
         severity = 'high'\n\
         [[rule]]\n\
         id = 'b'\n\
         protocol = 'dnp3'\n\
         when = 'modbus.func_code == 6'\n\
         techniques = ['T9999']\n\
         [[rule]]\n\
         id = 'b c'\n\
         protocol = 'tcp'\n\
         [[rule]]\n\
         id = 'd'\n\
         when = 'modbus.func_code == six'\n\
         nonsense = true\n\
         [[rule]]\n\
         id = 'e'\n\
         when = 'modbus.func_code[3] == 6'\n",
    )
    .unwrap_err();
    for (line, words) in [
        (1, "key \"top\" is not known"),
        (4, "column 1: no field \"modbus.func_cod\"; did you mean modbus.func_code?"),
        (5, "severity: \"high\" is not known; write warning, minor, major, critical"),
        (9, "modbus.func_code is a field of modbus, and the rule is for dnp3"),
        (10, "\"T9999\" is no technique"),
        (12, "id: \"b c\" is none"),
        (13, "protocol tcp or udp needs `payload`"),
        (16, "column 21: modbus.func_code is a number and \"six\" is none"),
        (17, "key \"nonsense\" is not known in a rule"),
        (20, "modbus.func_code has no addresses"),
    ] {
        let start = format!("rules.toml line {line}: ");
        assert!(told.iter().any(|told| told.starts_with(&start) && told.contains(words)), "{line} {words}: {told:#?}");
    }
    let told =
        parse("[[rule]]\nid = 'a'\nwhen = 'vlan.id == 1'\nprotocol = 'modbus'\n".repeat(2).as_str()).unwrap_err();
    assert_eq!(told, ["rules.toml line 5: rule \"a\": the id stands twice: also in rules.toml line 1"]);
    assert!(parse("[[rule]]\nid = 'a'\nprotocol = 'modbus'").unwrap_err()[0].contains("would match every message"));
    assert!(parse("[[rule]\n").unwrap_err()[0].contains("line 1: not TOML"));
    assert!(parse("").unwrap_err()[0].contains("holds no rule"));
}

#[test]
fn what_is_switched_off_is_checked_and_not_loaded() {
    let off = "[[rule]]\nid = 'a'\nenabled = false\nwhen = 'modbus.func_code == 6'\n";
    assert_eq!(parse(off).unwrap().rules().len(), 0);
    assert!(parse("[[rule]]\nid = 'a'\nenabled = false\nwhen = 'modbus.func_cod == 6'\n").is_err());
}

#[test]
fn hostile_files_end_in_problems() {
    let deep = format!("[[rule]]\nid = 'a'\nwhen = '{}modbus.func_code'", "(".repeat(100));
    assert!(parse(&deep).unwrap_err()[0].contains("parentheses"));
    let long = format!("[[rule]]\nid = 'a'\nwhen = 'modbus.func_code in [{}]'", "1,".repeat(10_000));
    assert!(parse(&long).unwrap_err()[0].contains("at most 4096 words"));
    let many = "[[rule]]\nid = 'x y'\n".repeat(20_000);
    let told = parse(&many).unwrap_err();
    assert!(told.len() <= 201 && told.last().unwrap().contains("problems more"), "{}", told.len());
    assert!(parse(&format!("# {}", "x".repeat(5 << 20))).unwrap_err()[0].contains("larger than 4 MiB"));
    assert!(parse(&"[".repeat(100_000)).is_err());
}
