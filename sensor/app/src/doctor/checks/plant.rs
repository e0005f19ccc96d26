//! Whether the plant is seen: OT protocols and the devices that answer them.

use super::super::measures::Measures;
use super::{Check, Judge, Level, Verdict, ok, verdict};
use ot_engine::words::{self, number_of};

/// Whether an OT protocol was decoded.
pub const PROTOCOLS: Check = Check {
    id: "protocols",
    title: "OT protocols",
    why: "The sensor learns and raises alerts from what it decodes.",
    judge: Judge::Whole(protocols),
};

fn protocols(all: &Measures) -> Option<Verdict> {
    if all.frames() == 0 {
        return None;
    }
    let list = |counts: &[(String, u64)]| -> String {
        counts
            .iter()
            .map(|(id, count)| format!("{} ({})", words::protocol(id), number_of(*count, "message")))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let also = if all.companions.is_empty() { String::new() } else { format!("; also {}", list(&all.companions)) };
    let wrong: Vec<String> = all
        .wrong_ports
        .iter()
        .map(|(id, count)| format!("{} on the port of {}", number_of(*count, "conversation"), words::protocol(id)))
        .collect();
    if all.protocols.is_empty() {
        let other =
            if wrong.is_empty() { String::new() } else { format!("; {} carry something else", wrong.join(", ")) };
        let actions = vec![
            "Check that the ports of the controllers are sources of the mirror session, in both directions.".to_owned(),
            "Where devices are polled seldom, look for longer: --for 10m.".to_owned(),
            "The sensor decodes Modbus, DNP3 and S7 (TCP 502, 20000, 102, and on other ports by their bytes); encrypted Modbus (TCP 802) \
             it does not."
                .to_owned(),
        ];
        return verdict(Level::Problem, format!("neither Modbus nor DNP3 nor S7 was found{other}{also}"), actions);
    }
    let measured = format!("{}{also}", list(&all.protocols));
    if wrong.is_empty() {
        return ok(measured);
    }
    let action = "Another program uses that port, or only parts of the conversation are seen: see the findings on directions and cut \
                  packets.";
    verdict(Level::Note, format!("{measured}; {} carry something else", wrong.join(", ")), vec![action.to_owned()])
}

/// Whether devices were found that answer.
pub const CONTROLLERS: Check = Check {
    id: "controllers",
    title: "Controllers",
    why: "What is not listed here, although it is in the plant, is not watched.",
    judge: Judge::Whole(controllers),
};

fn controllers(all: &Measures) -> Option<Verdict> {
    if all.protocols.is_empty() {
        return None;
    }
    let devices = number_of(all.devices, "device");
    if all.controllers.is_empty() {
        let actions = vec![
            "Only questions are seen and no answers: mirror the ports of the controllers in both directions."
                .to_owned(),
            "Or none answered meanwhile: look for longer (--for 10m).".to_owned(),
        ];
        return verdict(Level::Note, format!("none that answers, among {devices}"), actions);
    }
    ok(format!(
        "{} that answer an OT protocol, among {devices}; compare the list below with your plant",
        all.controllers.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::super::testing::{level, told};

    #[test]
    fn a_port_without_ot_protocols_is_a_problem() {
        let finding = told("protocols", |all| all.protocols.clear()).unwrap();
        assert_eq!(finding.level, Level::Problem);
        assert_eq!(finding.measured, "neither Modbus nor DNP3 nor S7 was found; also DNS (4 messages)");
        assert_eq!(told("protocols", |_| {}).unwrap().measured, "Modbus (20000 messages); also DNS (4 messages)");
        let wrong = told("protocols", |all| all.wrong_ports = [("dnp3".to_owned(), 2)].into()).unwrap();
        assert!(
            wrong.level == Level::Note && wrong.measured.contains("2 conversations on the port of DNP3"),
            "{wrong:?}"
        );
    }

    #[test]
    fn questions_without_answers_find_no_controller() {
        assert_eq!(level("controllers", |all| all.controllers.clear()), Level::Note);
        assert_eq!(level("controllers", |_| {}), Level::Ok);
        let both = told("controllers", |all| all.protocols.clear());
        assert_eq!(both, None, "one finding on the same cause is enough");
    }
}
