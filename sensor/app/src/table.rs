//! Tables for people, fit to the terminal.

use comfy_table::{ContentArrangement, Table, presets};
use std::io::IsTerminal as _;

/// A table without lines, with this header; as wide as the terminal, or as it needs where there is none.
pub fn new<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    if std::io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        table.force_no_tty();
    }
    table.set_header(header);
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, 1));
    }
    table
}
