use super::*;
use crate::catalogue;
use std::net::{IpAddr, Ipv4Addr};

fn plan(ticket: &str, devices: &[&str], by: &[&str], kinds: &[Operation]) -> Plan {
    let list = |texts: &[&str]| texts.iter().map(|text| Selector::parse(text).unwrap()).collect();
    Plan {
        ticket: ticket.to_owned(),
        devices: list(devices),
        by: list(by),
        kinds: kinds.to_vec(),
        start: Timestamp::new(100, 0),
        end: Timestamp::new(200, 0),
        note: String::new(),
    }
}

fn host(number: u8) -> Option<Candidate<'static>> {
    Some(Candidate { ip: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, number))), ..Candidate::default() })
}

fn deed(
    client: Option<Candidate<'static>>,
    server: Option<Candidate<'static>>,
    operation: Option<Operation>,
) -> Deed<'static> {
    Deed { client, server, operation, departs: false, times: [Timestamp::new(150, 0); 2] }
}

#[test]
fn a_window_covers_its_devices_its_clients_its_kinds_and_its_time() {
    let write = Some(Operation::Write);
    let any = plan("A", &["10.0.0.10"], &[], &[]);
    assert!(any.covers(&deed(host(5), host(10), write)) && any.covers(&deed(host(10), host(5), None)));
    assert!(!any.covers(&deed(host(5), host(11), write)) && !any.covers(&deed(None, None, write)));

    let named = plan("B", &["10.0.0.10"], &["10.0.0.5"], &[Operation::ProgramWrite]);
    assert!(named.covers(&deed(host(5), host(10), Some(Operation::ProgramWrite))));
    assert!(!named.covers(&deed(host(6), host(10), Some(Operation::ProgramWrite))), "another client");
    assert!(!named.covers(&deed(host(10), host(5), Some(Operation::ProgramWrite))), "the device itself is no client");
    assert!(!named.covers(&deed(host(5), host(10), write)), "another kind");
    assert!(named.covers(&deed(host(5), host(10), Some(Operation::Session))), "comes with any work");
    assert!(!named.covers(&deed(host(5), host(10), Some(Operation::ProgramRead))));
    assert!(!named.covers(&deed(host(5), host(10), None)));
    let new = Deed { departs: true, ..deed(host(5), host(10), None) };
    assert!(named.covers(&new), "a new connection");
    assert!(
        named.covers(&Deed { server: None, ..new }) && !named.covers(&Deed { client: host(6), server: None, ..new })
    );
    assert!(named.covers(&Deed { client: None, ..new }), "what no client did");

    for (times, within) in
        [([100, 100], true), ([100, 199], true), ([99, 150], false), ([150, 200], false), ([200, 200], false)]
    {
        let times = times.map(|second| Timestamp::new(second, 0));
        assert_eq!(any.covers(&Deed { times, ..deed(host(5), host(10), write) }), within, "{times:?}");
    }
}

#[test]
fn malware_and_the_health_of_the_sensor_are_never_expected() {
    let never: Vec<&str> = catalogue::all().iter().filter(|kind| !can_be_expected(kind)).map(|kind| kind.id).collect();
    assert!(never.contains(&"malicious-address") && never.contains(&"sensor-no-traffic"), "{never:?}");
    let all_bad = catalogue::all().iter().filter(|kind| kind.engine == EngineKind::Malware);
    assert!(all_bad.clone().count() > 2 && all_bad.into_iter().all(|kind| never.contains(&kind.id)));
    assert!(!never.contains(&"port-scan"));
}

#[test]
fn plans_that_cannot_stand_are_refused_with_the_reason() {
    let good = plan("CHG-1", &["10.0.0.10"], &[], &[]);
    assert_eq!(good.check(), Ok(()));
    let many = vec![Selector::parse("10.0.0.1").unwrap(); MOST_SELECTORS + 1];
    for (bad, wanted) in [
        (Plan { ticket: "two words".to_owned(), ..good.clone() }, "no ticket"),
        (Plan { devices: Vec::new(), ..good.clone() }, "no device is named"),
        (Plan { end: good.start, ..good.clone() }, "not after the start"),
        (Plan { start: Timestamp(good.start.0 + 1), ..good.clone() }, "whole seconds"),
        (Plan { by: many, ..good.clone() }, "more than 256"),
        (Plan { note: "a\nb".to_owned(), ..good.clone() }, "the note"),
    ] {
        let problem = bad.check().unwrap_err();
        assert!(problem.contains(wanted), "{problem}");
    }
}

#[test]
fn a_ticket_has_one_window_at_a_time_and_the_table_a_cap() {
    let mut table = Maintenance::default();
    let now = Timestamp::new(50, 0);
    let first = plan("CHG-1", &["10.0.0.10"], &[], &[]);
    assert_eq!(table.add(first.clone(), "anna", 7, now), Ok(1));
    assert!(table.add(first.clone(), "bob", 8, now).unwrap_err().contains("window 1"));
    let later = Plan { start: first.end, end: Timestamp::new(300, 0), ..first.clone() };
    assert_eq!(table.add(later, "anna", 9, now), Ok(2));
    assert_eq!(table.take_changes().len(), 2);
    assert!(table.take_changes().is_empty());
    let removed = table.remove(1, "bob", 10, now).unwrap();
    assert_eq!((removed.removed, removed.removed_by.as_str(), removed.ends()), (Some(now), "bob", now));
    assert!(table.remove(1, "bob", 11, now).is_err());
    assert_eq!(table.take_changes(), [removed]);
    for number in 0..MOST_WINDOWS {
        let result = table.add(plan(&format!("T-{number}"), &["10.0.0.10"], &[], &[]), "anna", 12, now);
        assert_eq!(result.is_ok(), number < MOST_WINDOWS - 1, "{number}");
    }
}

#[test]
fn the_configuration_keeps_what_stands_and_removes_what_it_no_longer_plans() {
    let mut table = Maintenance::default();
    let now = Timestamp::new(50, 0);
    let plans = [plan("A", &["10.0.0.10"], &[], &[]), plan("B", &["10.0.0.11"], &[], &[])];
    table.configure(&plans, now);
    table.configure(&plans, now);
    assert_eq!(table.take_changes().iter().map(|window| window.number).collect::<Vec<_>>(), [1, 2]);
    assert!(table.remove(1, "bob", 1, now).unwrap_err().contains("in the configuration"));
    table.configure(&plans[1..], now);
    let gone = table.take_changes();
    assert_eq!((gone.len(), gone[0].number, gone[0].removed), (1, 1, Some(now)));
    assert_eq!(table.iter().map(|window| window.number).collect::<Vec<_>>(), [2]);
}

#[test]
fn windows_turn_once_at_each_end() {
    let mut table = Maintenance::default();
    table.configure(&[plan("A", &["10.0.0.10"], &[], &[])], Timestamp::default());
    let turns = |from, to| {
        let turns = table.turns(Timestamp::new(from, 0), Timestamp::new(to, 0));
        turns.into_iter().map(|(begins, _)| begins).collect::<Vec<_>>()
    };
    assert_eq!(turns(0, 99), [] as [bool; 0]);
    assert_eq!(turns(99, 100), [true]);
    assert_eq!(turns(100, 199), [] as [bool; 0]);
    assert_eq!(turns(99, 200), [true, false]);
}
