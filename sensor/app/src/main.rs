//! The command `ot-sensor`.

fn main() -> std::process::ExitCode {
    ot_sensor::main()
}
