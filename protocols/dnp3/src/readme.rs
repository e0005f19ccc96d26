//! The tables of the README are those of the code.

use crate::function::FUNCTIONS;
use crate::objects::OBJECTS;
use std::fmt::Write as _;

const README: &str = include_str!("../README.md");

/// The part of the README between the lines that name a table.
fn part(name: &str) -> &'static str {
    let begin = format!("<!-- {name}: begin -->\n");
    let end = format!("<!-- {name}: end -->");
    let rest = README.split_once(&begin).map_or("", |(_, rest)| rest);
    rest.split_once(&end).map_or("", |(part, _)| part)
}

fn hold(name: &str, wanted: &str) {
    let found = part(name);
    assert!(found == wanted, "the table {name} of README.md should be:\n\n{wanted}");
}

#[test]
fn functions() {
    let mut table = "| code | function | class |\n|---|---|---|\n".to_owned();
    for function in FUNCTIONS {
        let _ = writeln!(table, "| {} | {} | {} |", function.code, function.name, function.operation.as_str());
    }
    hold("functions", &table);
}

#[test]
fn objects() {
    let mut table = "| group | variation | object | layout |\n|---|---|---|---|\n".to_owned();
    for object in OBJECTS {
        let variation = object.variation.map_or_else(|| "any".to_owned(), |variation| variation.to_string());
        let _ = writeln!(table, "| {} | {variation} | {} | {} |", object.group, object.name, object.layout.words());
    }
    hold("objects", &table);
}
