//! The tables of PLUS.md are those of the code.

use super::ids;
use super::meaning::unknown_content;
use super::names::function;
use super::value::datatype;
use super::wire::{opcode, version};
use std::fmt::Write as _;

const README: &str = include_str!("../../PLUS.md");

fn hold(name: &str, wanted: &str) {
    let begin = format!("<!-- {name}: begin -->\n");
    let end = format!("<!-- {name}: end -->");
    let rest = README.split_once(&begin).map_or("", |(_, rest)| rest);
    let found = rest.split_once(&end).map_or("", |(part, _)| part);
    assert!(found == wanted, "the table {name} of PLUS.md should be:\n\n{wanted}");
}

#[test]
fn versions_and_opcodes() {
    let mut table = "| | code | name |\n|---|---|---|\n".to_owned();
    for code in [version::V1, version::V2, version::V3, version::SYSTEM_EVENT, version::KEEP_ALIVE] {
        let _ = writeln!(table, "| version | {code:#04x} | {} |", version::name(code));
    }
    for code in [opcode::REQUEST, opcode::RESPONSE, opcode::NOTIFICATION, opcode::RESPONSE2] {
        let _ = writeln!(table, "| opcode | {code:#04x} | {} |", opcode::name(code));
    }
    hold("versions", &table);
}

#[test]
fn functions() {
    let mut table = "| code | function | class where the content is not known |\n|---|---|---|\n".to_owned();
    for (code, name) in function::NAMES {
        let _ = writeln!(table, "| {code:#06x} | {name} | {} |", unknown_content(code).as_str());
    }
    hold("functions", &table);
}

#[test]
fn datatypes() {
    let mut table = "| code | data type |\n|---|---|\n".to_owned();
    for code in (datatype::NULL..=datatype::STRUCT).chain([datatype::S7STRING]) {
        let _ = writeln!(table, "| {code:#04x} | {} |", datatype::name(code));
    }
    hold("datatypes", &table);
}

#[test]
fn known_ids() {
    hold("ids", &format!("{} ids of objects, classes, attributes and methods have names.\n", ids::NAMES.len()));
}
