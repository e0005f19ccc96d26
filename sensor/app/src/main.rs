//! The command `ot-sensor`.
fn main() {}
