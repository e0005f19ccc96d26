//! The tables of the README are those of the code.

use crate::comm::{block, error, function, item, szl, value};
use crate::cotp::{Selector, UnitType};
use ot_protocol::Operation;
use std::fmt::Write as _;

const README: &str = include_str!("../README.md");

fn hold(name: &str, head: &str, rows: impl IntoIterator<Item = String>) {
    let columns = head.matches('|').count() - 1;
    let mut wanted = format!("{head}\n{}|\n", "|---".repeat(columns));
    for row in rows {
        let _ = writeln!(wanted, "{row}");
    }
    let begin = format!("<!-- {name}: begin -->\n");
    let end = format!("<!-- {name}: end -->");
    let rest = README.split_once(&begin).map_or("", |(_, rest)| rest);
    let found = rest.split_once(&end).map_or("", |(part, _)| part);
    assert!(found == wanted, "the table {name} of README.md should be:\n\n{wanted}");
}

#[test]
fn transport_units() {
    let rows = UnitType::NAMES.iter().map(|(kind, short, name)| format!("| 0x{:X}0 | {short} | {name} |", kind.0));
    hold("units", "| type | short | name |", rows);
    let rows = Selector::KINDS.iter().map(|(kind, name)| format!("| 0x{kind:02X} | {name} |"));
    hold("selectors", "| first byte | kind of connection |", rows);
}

fn class(operation: Operation) -> &'static str {
    match operation {
        Operation::Unknown => "by its parameters",
        operation => operation.as_str(),
    }
}

#[test]
fn functions() {
    let rows = function::JOBS
        .iter()
        .map(|(code, name, operation)| format!("| 0x{code:02X} | {name} | {} |", class(*operation)));
    hold("jobs", "| function | name | class |", rows);
    let rows = function::SUBFUNCTIONS.iter().map(|(group, sub, name, operation)| {
        let of = function::GROUPS.iter().find(|(of, _)| of == group).map_or("", |(_, name)| *name);
        format!("| 0x{group:X} {of} | 0x{sub:02X} | {name} | {} |", operation.as_str())
    });
    hold("subfunctions", "| group | subfunction | name | class |", rows);
    let rows = function::SERVICES
        .iter()
        .map(|(wire, name, operation)| format!("| `{wire}` | {name} | {} |", operation.as_str()));
    hold("services", "| service | name | class |", rows);
}

#[test]
fn items() {
    let rows = item::SYNTAXES.iter().map(|(id, name)| format!("| 0x{id:02X} | {name} |"));
    hold("syntaxes", "| syntax id | name |", rows);
    let rows = item::AREAS
        .iter()
        .map(|area| format!("| 0x{:02X} | {} | `{}` | {} |", area.code, area.name, area.space, area.write().as_str()));
    hold("areas", "| area | name | address space | class of a write |", rows);
    let rows = value::ITEM_TYPES.iter().map(|kind| {
        let encoding = match kind.encoding {
            value::Encoding::Bit => "bit",
            value::Encoding::Unsigned => "unsigned",
            value::Encoding::Signed => "signed",
            value::Encoding::Float => "IEEE 754",
            value::Encoding::Opaque => "not a number",
        };
        format!("| {} | {} | {} | {encoding} |", kind.code, kind.name, kind.width)
    });
    hold("types", "| transport size | type | bits | value |", rows);
    let rows = value::DATA_SIZES
        .iter()
        .map(|(size, name, bits)| format!("| 0x{size:02X} | {name} | {} |", if *bits { "bits" } else { "bytes" }));
    hold("data", "| transport size of data | name | length in |", rows);
}

#[test]
fn lists() {
    let rows = szl::LISTS.iter().map(|(list, name)| {
        let told = if szl::IDENTITY.contains(list) { "yes" } else { "" };
        let walked = if szl::has_fields(*list) { "yes" } else { "" };
        format!("| 0x..{list:02X} | {name} | {walked} | {told} |")
    });
    hold("lists", "| list | what it holds | entries in fields | into the inventory |", rows);
    let rows = szl::STATES.iter().map(|(state, class, name)| format!("| {state} | {name} | `{class}` |"));
    hold("states", "| state | name | `run-state` |", rows);
}

#[test]
fn blocks() {
    let rows = block::TYPES.iter().map(|(wire, name, number)| format!("| `{wire}` | {number} | {name} |"));
    hold("blocks", "| in names | in headers | type |", rows);
    let rows = block::LANGUAGES.iter().map(|(number, name)| format!("| {number} | {name} |"));
    hold("languages", "| language | name |", rows);
}

#[test]
fn errors() {
    let rows = error::RETURN_CODES.iter().map(|(code, words)| format!("| 0x{code:02X} | {words} |"));
    hold("returns", "| return code | words |", rows);
    let rows = error::ERROR_CLASSES.iter().map(|(code, words)| format!("| 0x{code:02X} | {words} |"));
    hold("classes", "| error class | words |", rows);
    let rows = error::ERROR_CODES.iter().map(|(code, words)| format!("| 0x{code:04X} | {words} |"));
    hold("codes", "| class and code | words |", rows);
}
