//! The catalogue of alert types, and the matrix of ATT&CK for ICS.

use super::{Frame, render, show};
use crate::app::App;
use crate::call::{Answer, Call};
use crate::kept::Told;
use crate::problem::Problem;
use crate::route::{Kind, Parameter, Returns, Route};
use askama::Template;
use ot_engine::attack;
use ot_store::read::Reader;
use ot_views::alert::{TacticView, TechniqueView, technique};
use ot_views::catalogue::{CoverageView, TypeView, coverage, types};
use ot_views::when::When;
use std::sync::Arc;

/// Alerts of a technique that are counted at most.
const COUNTED: u32 = 1_000;

fn spans() -> Vec<&'static str> {
    SPANS.iter().map(|(id, ..)| *id).collect()
}
/// Time ranges of the matrix.
const SPANS: &[(&str, &str)] = &[("1d", "last day"), ("7d", "last 7 days"), ("30d", "last 30 days"), ("all", "all")];
/// The range that is shown unless another is asked for.
pub const SPAN: &str = "30d";
const RANGE: &[Parameter] = &[Parameter { name: "span", kind: Kind::Word(spans), doc: "Time range of the counts" }];
const TEXT: &[Parameter] = &[Parameter { name: "text", kind: Kind::Text, doc: "Occurs in id, title or category" }];

/// Routes of the reference.
pub static ROUTES: &[Route] = &[
    Route::page("/attack", "page-attack", "The matrix of ATT&CK for ICS with counts.").with(&[RANGE]).read(matrix),
    Route::page("/attack/navigator.json", "page-navigator", "The coverage as a layer of ATT&CK Navigator.")
        .gives(Returns::Json)
        .plain(|call| {
            let layer = call.json(&ot_views::navigator::layer())?;
            Ok(Answer::file("application/json", "ot-sensor-attack.json", layer.body))
        }),
    Route::page("/catalogue", "page-catalogue", "Every alert type.").with(&[TEXT]).plain(catalogue),
    Route::page("/catalogue/{type}", "page-type", "The document of an alert type.").plain(kind),
];

struct Cell {
    row: CoverageView,
    count: u64,
}

impl Cell {
    fn class(&self) -> &'static str {
        match (self.count, self.row.covered()) {
            (1.., _) => "hit",
            (0, true) => "seen",
            (0, false) => "blind",
        }
    }
    fn counted(&self) -> String {
        if self.count > u64::from(COUNTED) {
            format!("more than {}", show::number(&u64::from(COUNTED)))
        } else {
            show::number(&self.count)
        }
    }
}

struct Column {
    tactic: TacticView,
    cells: Vec<Cell>,
}

#[derive(Template)]
#[template(path = "attack.html")]
struct Matrix {
    frame: Frame,
    version: &'static str,
    columns: Vec<Column>,
    span: &'static str,
    spans: &'static [(&'static str, &'static str)],
    covered: usize,
    techniques: usize,
}

/// How many alerts name each technique of the matrix, in a time range.
///
/// # Errors
/// As the store's.
pub fn counts(app: &Arc<App>, reader: &Reader, span: &'static str) -> Result<Told<Vec<u64>>, Problem> {
    app.kept(
        reader,
        |app| &app.techniques,
        span,
        |_, reader, span| {
            let since = match format!("-{span}").parse::<When>() {
                Ok(when) => when.resolve(reader.newest()?),
                Err(_) => ot_protocol::Timestamp(i64::MIN),
            };
            let count = |row: CoverageView| reader.alerts_of_technique(row.technique, since, COUNTED + 1);
            Ok(coverage().into_iter().map(count).collect::<Result<_, _>>()?)
        },
    )
}

fn matrix(call: &Call, reader: &Reader) -> Result<Answer, Problem> {
    let wanted = call.one("span").unwrap_or(SPAN);
    let span = SPANS.iter().map(|(id, _)| *id).find(|id| *id == wanted).unwrap_or(SPAN);
    let counts = counts(&call.app, reader, span)?;
    let mut columns: Vec<Column> = Vec::new();
    for (row, &count) in coverage().into_iter().zip(counts.view.iter()) {
        let cell = Cell { count, row };
        match columns.iter_mut().find(|column| column.tactic == cell.row.tactic) {
            Some(column) => column.cells.push(cell),
            None => columns.push(Column { tactic: cell.row.tactic.clone(), cells: vec![cell] }),
        }
    }
    let all = coverage();
    let mut ids: Vec<(&str, bool)> = all.iter().map(|row| (row.technique, row.covered())).collect();
    ids.sort_unstable();
    ids.dedup();
    render(&Matrix {
        frame: Frame::new("ATT&CK for ICS", "attack", call),
        version: attack::VERSION,
        columns,
        span,
        spans: SPANS,
        covered: ids.iter().filter(|(_, covered)| *covered).count(),
        techniques: ids.len(),
    })
}

#[derive(Template)]
#[template(path = "catalogue.html")]
struct List {
    frame: Frame,
    types: Vec<TypeView>,
    text: String,
    total: usize,
}

fn catalogue(call: &Call) -> Result<Answer, Problem> {
    let text = call.one("text").unwrap_or_default();
    let lower = text.to_lowercase();
    let mut found = types();
    let total = found.len();
    found.retain(|kind| {
        let hay = [kind.id, kind.title, kind.category, kind.engine, kind.severity];
        hay.iter().any(|word| word.to_lowercase().contains(&lower)) || kind.protocols.contains(&lower.as_str())
    });
    render(&List { frame: Frame::new("Catalogue", "catalogue", call), types: found, text: text.to_owned(), total })
}

#[derive(Template)]
#[template(path = "type.html")]
struct Type {
    frame: Frame,
    kind: TypeView,
    techniques: Vec<TechniqueView>,
}

fn kind(call: &Call) -> Result<Answer, Problem> {
    let id = call.part("type");
    let kind = types().into_iter().find(|kind| kind.id == id);
    let kind = kind.ok_or_else(|| Problem::not_found(format!("There is no alert type {id:?}.")))?;
    let techniques = kind.techniques.iter().map(|id| technique(id)).collect();
    render(&Type { frame: Frame::new(kind.title, "catalogue", call), kind, techniques })
}
