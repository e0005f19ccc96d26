//! Rules in the manner of Suricata and Snort, converted; each is read by our own parser as well.

#![allow(clippy::unwrap_used, reason = "tests")]

use ot_protocol::{Endpoint, FrameRef, MessageWatch, Protocol, SessionId, Timestamp, Transport, WatchedPayload};
use ot_rules::import::{Imported, Variables, import};
use ot_rules::{RuleSet, Vocabulary};

fn vocabulary() -> Vocabulary {
    let protocols: [&dyn Protocol; 2] = [&ot_modbus::MODBUS, &ot_dnp3::DNP3];
    let fields: Vec<_> = protocols.iter().map(|protocol| (protocol.id(), protocol.fields())).collect();
    Vocabulary::new(&fields, Vec::new(), Vec::new())
}

fn variables() -> Variables {
    let mut variables = Variables::default();
    variables.set("PLC=10.0.0.10").unwrap();
    variables.set("HMI=[10.0.0.5,10.0.0.6]").unwrap();
    variables
}

/// Converts, and reads what came of it.
fn convert(text: &str) -> (Imported, RuleSet) {
    let imported = import(&[("old.rules".to_owned(), text.to_owned())], &variables(), false);
    let set = RuleSet::parse(&[("new.toml".to_owned(), imported.toml.clone())], &vocabulary());
    let set = set.unwrap_or_else(|problems| {
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        // A file without rules is told as such.
        assert!(imported.converted == 0, "{told:#?}\n{}", imported.toml);
        RuleSet::default()
    });
    (imported, set)
}

/// The TOML of one rule.
fn one(text: &str) -> String {
    let (imported, _) = convert(text);
    assert!(imported.refused.is_empty(), "{:#?}", imported.refused);
    imported.toml
}

/// Why a rule is refused.
fn refused(text: &str) -> String {
    let (imported, _) = convert(text);
    assert_eq!(imported.converted, 0, "{}", imported.toml);
    imported.refused[0].to_string()
}

/// How many rules match a TCP payload from 10.0.0.5 to port 502 of 10.0.0.10.
fn matches(set: &RuleSet, bytes: &[u8]) -> usize {
    let end = |ip: &str, port| Endpoint { ip: Some(ip.parse().unwrap()), port, ..Endpoint::default() };
    let watched = WatchedPayload {
        bytes,
        session: SessionId(1),
        transport: Transport::Tcp,
        time: Timestamp::default(),
        frame: FrameRef::default(),
        source: end("10.0.0.5", 40_000),
        destination: end("10.0.0.10", 502),
        from_client: true,
    };
    let mut hits = Vec::new();
    set.payload(&watched, &mut hits);
    hits.len()
}

#[test]
fn a_rule_keeps_what_it_says_of_itself() {
    let toml = one(concat!(
        "alert tcp $HMI any -> $PLC 502 (msg:\"PLANT\\; restart \\\"listen\\\"\"; flow:from_client,established; \\\n",
        "    content:\"|08 00 04|\"; offset:7; depth:3; reference:url,plant.example/8; classtype:attempted-dos; ",
        "sid:9000001; rev:3; priority:1;)\n",
    ));
    for line in [
        "id = \"sid-9000001\"",
        "title = \"PLANT; restart \\\"listen\\\"\"",
        "severity = \"critical\"",
        "protocol = \"tcp\"",
        "from = \"client\"",
        "source = [\"10.0.0.5\", \"10.0.0.6\"]",
        "destination = \"10.0.0.10\"",
        "destination_port = 502",
        "payload = { content = \"|08 00 04|\", offset = 7, depth = 3 }",
        "references = [\"sid 9000001 rev 3\", \"url plant.example/8\", \"classtype attempted-dos\"]",
    ] {
        assert!(toml.lines().any(|found| found == line), "{line}\n{toml}");
    }
}

#[test]
fn payload_matches_as_before() {
    let restart = [0, 1, 0, 0, 0, 6, 1, 8, 0, 4, 0, 0];
    for (options, payload, wanted) in [
        ("content:\"|00 00|\"; offset:2; depth:2; content:\"|08|\"; distance:3; within:1;", &restart[..], true),
        ("content:\"|00 00|\"; offset:2; depth:2; content:\"|08|\"; distance:2; within:1;", &restart, false),
        ("content:\"|08 00 04|\"; content:!\"|05|\";", &restart, true),
        ("content:!\"|08|\"; offset:7; depth:1;", &restart, false),
        ("content:\"ABC\"; nocase;", b"xxabc", true),
        ("content:\"ABC\";", b"xxabc", false),
        ("content:\"a|3a|b\\;\", offset 0, depth 4;", b"a:b;", true),
        ("byte_test:1,>=,0x80,7;", &[0, 0, 0, 0, 0, 0, 0, 0x83, 2], true),
        ("byte_test:1,>=,0x80,7;", &restart, false),
        ("byte_test:2,=,6,4;", &restart, true),
        ("byte_test:2,!=,6,4;", &restart, false),
        ("byte_test:2,=,1536,4,little;", &restart, true),
        ("byte_test:1,&,4,9;", &restart, true),
        ("byte_test:1,!&,4,9;", &restart, false),
        ("byte_jump:2,4; isdataat:0,relative;", &restart, false),
        ("byte_jump:2,4; isdataat:0,relative;", &[&restart[..], &[1]].concat(), true),
        ("dsize:>300;", &restart, false),
        ("dsize:12;", &restart, true),
        ("dsize:10<>12;", &restart, true),
        ("isdataat:!12;", &restart, true),
        ("isdataat:11;", &restart, true),
        ("content:\"|00 00|\"; offset:2; depth:2; pcre:\"/[\\S\\s]{3}(\\x05|\\x08)/iAR\";", &restart, true),
        ("content:\"|00 00|\"; offset:2; depth:2; pcre:\"/[\\S\\s]{3}(\\x05|\\x06)/iAR\";", &restart, false),
        ("pcre:\"/[\\S\\s]{2}(?!\\x00\\x00)/iAR\";", &restart, false),
        ("pcre:\"/[\\S\\s]{2}(?!\\x00\\x00)/iAR\";", b"GET / HTTP/1.1", true),
        ("pcre:\"/^GET \\//i\";", b"get / HTTP/1.1", true),
        ("pcre:\"/(?!\\x05\\x64)/A\";", &[5, 0x64, 3], false),
    ] {
        let (imported, set) = convert(&format!("alert tcp any any -> any 502 ({options} sid:1;)"));
        assert!(imported.refused.is_empty(), "{options}: {:?}", imported.refused);
        assert_eq!(matches(&set, payload) == 1, wanted, "{options} on {payload:02x?}\n{}", imported.toml);
    }
}

#[test]
fn keywords_become_conditions() {
    for (protocol, options, line) in [
        ("tcp", "modbus_func:write_single_register;", "when = \"modbus.func_code == 6\""),
        ("tcp", "modbus_func:8; modbus_unit:3;", "when = \"modbus.func_code == 8 and mbtcp.unit_id == 3\""),
        (
            "modbus",
            "modbus: function 8, subfunction 4;",
            "when = \"modbus.func_code in [8] and modbus.diagnostic_code == 4\"",
        ),
        ("modbus", "modbus: function !user;", "when = \"modbus.func_code not in [65..72, 100..110]\""),
        (
            "modbus",
            "modbus: unit 10<>20, function 43;",
            "when = \"mbtcp.unit_id in [11..19] and modbus.func_code in [43]\"",
        ),
        (
            "modbus",
            "modbus: access write holding, address 501, value >200;",
            "when = \"modbus.func_code in [6, 16, 22, 23] and modbus.write.address == 500 and modbus.write.value > 200\"",
        ),
        (
            "modbus",
            "modbus: access write coils, address 5, value 1;",
            "when = \"modbus.func_code in [5, 15] and modbus.write.address == 4 and modbus.write.value == 1\"",
        ),
        (
            "modbus",
            "modbus: access read holding, address >100;",
            "when = \"modbus.func_code in [3, 23] and modbus.regnum16 > 99\"",
        ),
        ("tcp", "dnp3_func:cold_restart;", "when = \"dnp3.al.func == 13\""),
        ("tcp", "dnp3_ind:device_restart,need_time;", "when = \"dnp3.al.iin & 0x9000\""),
        ("tcp", "dnp3_obj:12,1;", "when = \"dnp3.al.obj == 0x0c01\""),
        ("tcp", "dnp3_cmd_fc:2; dnp3_cmd_ot:50;", "when = \"dnp3.al.func == 2 and dnp3.al.obj in [0x3200..0x32ff]\""),
        (
            "tcp",
            "dnp3_data; content:\"|0d|\"; offset:1; depth:1;",
            "payload = { content = \"|0d|\", offset = 12, depth = 1 }",
        ),
        (
            "tcp",
            "modbus_data; content:\"|00 04|\"; depth:2;",
            "payload = { content = \"|00 04|\", offset = 8, depth = 2 }",
        ),
        ("tcp", "dnp3_checksum:incorrect;", "when = \"(dnp.hdr.CRC.status == 0 or dnp.data_chunk.CRC.status == 0)\""),
    ] {
        let toml = one(&format!("alert {protocol} any any -> any any ({options} sid:1;)"));
        assert!(toml.lines().any(|found| found == line), "{options}\n{toml}");
    }
}

#[test]
fn thresholds_both_ways_and_doubles() {
    let toml = one(
        "alert tcp any any -> any 502 (dsize:>300; threshold: type threshold, track by_src, count 3, seconds 60; sid:1;)",
    );
    assert!(toml.contains("count = { at_least = 3, within = \"60s\", by = \"source\" }"), "{toml}");
    let (imported, set) = convert(
        "alert tcp $HMI any <> $PLC 502 (dsize:>300; sid:7; rev:1;)\n\
         alert tcp $HMI any <> $PLC 502 (dsize:>300; sid:7; rev:2;)\n\
         alert tcp $HMI any -> $PLC 502 (dsize:>200; sid:7; rev:3;)\n\
         # alert tcp $HMI any -> $PLC 502 (dsize:>100; sid:8;)\n",
    );
    let ids: Vec<&str> = set.rules().iter().map(|rule| &*rule.id).collect();
    assert_eq!(ids, ["sid-7", "sid-7-back", "sid-7-2"]);
    assert_eq!(imported.converted, 2);
    assert!(imported.notes.iter().any(|note| note.contains("stands twice")), "{:?}", imported.notes);
}

#[test]
fn what_cannot_be_converted_is_told_with_the_reason() {
    for (rule, words) in [
        ("alert tcp $ELSE any -> any 502 (dsize:1; msg:\"m\"; sid:5;)", "sid 5 \"m\": variable $ELSE has no value"),
        ("alert icmp any any -> any any (dsize:1; sid:5;)", "it looks at icmp"),
        ("alert tcp any any -> any 502 (flowbits:isset,x; dsize:1; sid:5;)", "flowbits:isset,x asks"),
        ("alert tcp any any -> any 502 (pcre:\"/a.*b/\"; sid:5;)", "pcre can be converted where it is anchored"),
        ("alert tcp any any -> any 502 (pcre:\"/^a+/\"; sid:5;)", "pcre can be converted where"),
        ("alert tcp any any -> any 502 (byte_extract:1,0,x; sid:5;)", "option byte_extract is not converted"),
        ("alert tcp any any -> any 502 (byte_test:1,>,x,0; sid:5;)", "the value is no number"),
        ("alert tcp any any -> any 502 (flow:established; sid:5;)", "no condition on the payload"),
        ("alert tcp any any -> any 502 (dnp3_data; content:\"|0d|\"; sid:5;)", "a checksum stands behind each 16"),
        ("alert tcp any any -> any 502 (modbus_func:1; dnp3_func:1; sid:5;)", "modbus and dnp3 at once"),
        ("alert tcp !any any -> any 502 (dsize:1; sid:5;)", "!any leaves nobody"),
        ("pass tcp any any -> any 502 (dsize:1; sid:5;)", "pass rules say what is not to be told"),
        ("alert tcp any any -> any (dsize:1; sid:5;)", "the header has 6 words"),
        ("alert tcp any any -> any 99999 (dsize:1; sid:5;)", "\"99999\" is no port"),
        ("alert tcp any any -> any 502 dsize:1", "the options in parentheses are missing"),
        ("nonsense", "the options in parentheses are missing"),
        ("alert tcp any any -> any 502 (content:\"|0\"; sid:5;)", "content \"|0\""),
    ] {
        let told = refused(rule);
        assert!(told.contains(words) && told.starts_with("old.rules line 1"), "{rule}: {told}");
    }
}

#[test]
fn variables_come_from_files_of_both_programs() {
    let mut variables = Variables::default();
    variables.read(
        "# comment\nipvar PLC [10.0.0.10, 10.0.0.11]\nportvar PORTS 502\n  HMI: \"10.0.0.5\"  # yaml\nA=10.1.0.0/16\n%YAML 1.1\n",
    );
    let text = "alert tcp [$HMI,$A,!10.1.9.9] 1024: -> $PLC $PORTS (dsize:1; sid:1;)";
    let imported = import(&[("f".to_owned(), text.to_owned())], &variables, false);
    assert!(imported.toml.contains("source = [\"10.0.0.5\", \"10.1.0.0/16\", \"!10.1.9.9\"]"), "{imported:#?}");
    assert!(imported.toml.contains("source_port = \"1024..65535\""), "{}", imported.toml);
    assert!(imported.toml.contains("destination = [\"10.0.0.10\", \"10.0.0.11\"]"), "{}", imported.toml);
    let mut loops = Variables::default();
    loops.set("A=$B").unwrap();
    loops.set("B=[$A,$A]").unwrap();
    let imported = import(&[("f".to_owned(), text.replace("$HMI", "$A"))], &loops, false);
    assert!(imported.refused[0].reason.contains("more than 8"), "{imported:#?}");
}
