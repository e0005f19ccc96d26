//! Any text: files of rules and rules of Suricata and Snort, made of the words that matter, in any order.

#![allow(clippy::unwrap_used, reason = "tests")]

use ot_protocol::Protocol;
use ot_rules::import::{Variables, import};
use ot_rules::{RuleSet, Vocabulary, payload};
use proptest::prelude::*;

const WORDS: &[&str] = &[
    "[[rule]]\n",
    "id = ",
    "'a'\n",
    "\"b\"\n",
    "when = '",
    "payload = ",
    "protocol = 'tcp'\n",
    "protocol = 'modbus'\n",
    "modbus.func_code",
    "modbus.write.value",
    "[100]",
    " == ",
    " in [",
    "1..5",
    "]",
    " & 0x04",
    " and ",
    " or ",
    "not ",
    "all ",
    "(",
    ")",
    "'\n",
    "{ content = '|00 ff|', offset = 2, depth = 2 }\n",
    "{ jump = 2, offset = 4 }\n",
    "{ size = '> 3' }\n",
    "during = 'mon-fri 06:00-14:00'\n",
    "count = { at_least = 2, within = '1m' }\n",
    "source = '!10.0.0.0/24'\n",
    "message = '{source}{'\n",
    "alert tcp any any -> any 502 (",
    "alert modbus $A [1:2,!2] <> !$B any (",
    "content:\"|00 01|a\";",
    " offset:3;",
    " depth:2;",
    " distance:-1;",
    " within:4;",
    "nocase;",
    "pcre:\"/^[\\S\\s]{3}(\\x05|\\x06)/iR\";",
    "byte_test:2,>=,0x80,7,relative;",
    "byte_jump:1,0,relative,multiplier 3;",
    "isdataat:!3,relative;",
    "dsize:3<>9;",
    "modbus: function !user, access write coils, address 3, value 1;",
    "modbus_data;",
    "dnp3_data;",
    "dnp3_func:write;",
    "threshold: type threshold, track by_src, count 3, seconds 6;",
    "sid:7;",
    "msg:\"é\\\"\";",
    ")\n",
    "\\\n",
    "\"",
    ";",
    "é",
    "\u{0}",
    "#",
];

fn vocabulary() -> Vocabulary {
    let protocols: [&dyn Protocol; 2] = [&ot_modbus::MODBUS, &ot_dnp3::DNP3];
    let fields: Vec<_> = protocols.iter().map(|protocol| (protocol.id(), protocol.fields())).collect();
    Vocabulary::new(&fields, Vec::new(), Vec::new())
        .with_addresses(&[("modbus.write.value", &["modbus.write.address"])])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text_is_read_or_refused(words in prop::collection::vec(prop::sample::select(WORDS), 0..40)) {
        let text = words.concat();
        let vocabulary = vocabulary();
        if let Err(problems) = RuleSet::parse(&[("a".to_owned(), text.clone())], &vocabulary) {
            prop_assert!(problems.iter().all(|problem| problem.line > 0 && !problem.text.is_empty()));
        }
        let mut variables = Variables::default();
        variables.set("A=10.0.0.0/24").unwrap();
        variables.set("B=[10.1.0.1,$A]").unwrap();
        let imported = import(&[("b".to_owned(), text)], &variables, true);
        let read = RuleSet::parse(&[("c".to_owned(), imported.toml.clone())], &vocabulary);
        prop_assert!(read.is_ok() || imported.converted == 0, "{:?}\n{}", read, imported.toml);
        for rule in read.iter().flat_map(RuleSet::rules) {
            for bytes in [&b""[..], &[0, 1, 0, 0, 0, 6, 1, 5], &[b'a'; 300]] {
                payload::matches(&rule.payload, bytes);
            }
        }
    }
}
