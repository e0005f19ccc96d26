//! Whether the sensor's own interface hands over what comes: link, losses, offloads, clock, and that nothing is sent on it.

use super::super::measures::{InterfaceMeasures, Measures};
use super::{Check, Judge, Level, Verdict, bits, ok, percent, permille, verdict};
use ot_capture::TimeSource;
use ot_engine::words::{self, number_of};
use ot_protocol::time::SECOND;

/// Checksums below which shares tell nothing.
const LEAST_CHECKSUMS: u64 = 20;
/// Share of checksums left empty, in tenths of a percent, from which on the packets are those of a host.
const EMPTY: u64 = 50;
/// Shares of the link's speed in the busiest second.
const NEARLY_FULL: u64 = 700;
const FULL: u64 = 950;
/// How far the time of packets may be from the clock of this machine.
const SKEW: i64 = 2 * SECOND;

/// Whether there is a link.
pub const LINK: Check = Check {
    id: "link",
    title: "Link",
    why: "Without a link nothing is seen; a link that comes and goes leaves holes.",
    judge: Judge::Each(link),
};

fn link(interface: &InterfaceMeasures, _: &Measures) -> Option<Verdict> {
    let live = interface.live.as_ref()?;
    let speed =
        live.facts.speed.map_or_else(String::new, |speed| format!(" at {}", bits(u64::from(speed) * 1_000_000)));
    let cable =
        "Check cable, port and transceiver at both ends; on the switch, that the port is not shut down.".to_owned();
    if !live.up {
        return verdict(Level::Problem, "no link".to_owned(), vec![cable]);
    }
    if live.lost > 0 {
        return verdict(
            Level::Problem,
            format!("the link was lost {} meanwhile", words::times(u64::from(live.lost))),
            vec![cable],
        );
    }
    ok(format!("up{speed}"))
}

/// Whether packets are lost on their way into the sensor.
pub const LOSS: Check = Check {
    id: "loss",
    title: "Nothing lost",
    why: "What is lost here nobody looks at: an attack may be in it, and conversations get holes.",
    judge: Judge::Each(loss),
};

fn loss(interface: &InterfaceMeasures, all: &Measures) -> Option<Verdict> {
    let name = &interface.name;
    let own = all.shed.others + all.shed.ot;
    let payload = all.shed.bulk + all.shed.payload;
    let lost = interface.dropped + interface.missed;
    if interface.frames + lost == 0 {
        return None;
    }
    let whole = interface.frames + lost;
    if interface.live.is_none() {
        if interface.dropped == 0 {
            return None;
        }
        let measured = format!(
            "{} of {whole} packets were lost while it was recorded ({})",
            interface.dropped,
            percent(lost, whole)
        );
        let action = "Record again with a larger buffer (tcpdump -B 65536) or on a faster machine.".to_owned();
        return verdict(if lost * 1000 > whole { Level::Problem } else { Level::Note }, measured, vec![action]);
    }
    let measured = format!(
        "{} dropped by the kernel, {} by the card ({} of {whole}); for want of time {} not looked at by the sensor, and payload of {payload}",
        interface.dropped,
        interface.missed,
        percent(lost, whole),
        number_of(own, "packet"),
    );
    let mut actions = Vec::new();
    if interface.dropped > 0 {
        actions.push("Give the kernel's ring more memory: `ring = \"64 MiB\"` under [capture].".to_owned());
    }
    if interface.missed > 0 {
        actions.push(format!(
            "Give the card all of its ring: ethtool -g {name} shows the most, ethtool -G {name} rx N sets it."
        ));
    }
    if own + payload > 0 || interface.dropped > 0 {
        actions.push(
            "Take a machine with more cores (see the finding on the machine), or let other programs run elsewhere."
                .to_owned(),
        );
    }
    if actions.is_empty() {
        return ok(measured);
    }
    // As the alert `sensor-loss`: one in a thousand.
    let much = lost * 1000 > whole || own * 1000 > whole;
    verdict(if much { Level::Problem } else { Level::Note }, measured, actions)
}

/// Whether the link has room.
pub const SPEED: Check = Check {
    id: "speed",
    title: "Room on the link",
    why: "A mirror port gets both directions of all its sources. What does not fit is dropped by the switch, and nobody here can count it.",
    judge: Judge::Each(speed),
};

fn speed(interface: &InterfaceMeasures, _: &Measures) -> Option<Verdict> {
    let speed = u64::from(interface.live.as_ref()?.facts.speed.filter(|speed| *speed > 0)?) * 1_000_000;
    if interface.frames == 0 {
        return None;
    }
    let measured = format!(
        "{} of {} in the busiest second ({})",
        bits(interface.peak_bits),
        bits(speed),
        percent(interface.peak_bits, speed)
    );
    let actions = vec![
        "Mirror fewer ports (those of controllers matter), or to a faster port.".to_owned(),
        "Look at the switch's count of drops on the mirror port.".to_owned(),
    ];
    match permille(interface.peak_bits, speed) {
        share if share >= FULL => verdict(Level::Problem, measured, actions),
        share if share >= NEARLY_FULL => verdict(Level::Note, measured, actions),
        _ => ok(measured),
    }
}

/// Whether frames are as on the wire.
pub const MERGED: Check = Check {
    id: "offloads",
    title: "Frames as on the wire",
    why: "GRO and LRO merge several packets of a connection into one before they are captured: counts, times, lengths and \
          retransmissions are no longer those of the wire.",
    judge: Judge::Each(merged),
};

fn merged(interface: &InterfaceMeasures, _: &Measures) -> Option<Verdict> {
    let name = &interface.name;
    let sizes = format!(
        "{} longer than {} bytes, the longest {}",
        number_of(interface.oversize, "frame"),
        interface.longest_usual,
        interface.longest
    );
    let Some(live) = &interface.live else {
        if interface.frames == 0 {
            return None;
        }
        let action = "Record again with `ethtool -K IF gro off lro off` set before, on the mirror port and not on a host; frames of a \
                      network with jumbo frames are meant to be so long."
            .to_owned();
        return if interface.oversize > 0 { verdict(Level::Note, sizes, vec![action]) } else { ok(sizes) };
    };
    let offloads = live.facts.offloads;
    let measured = if interface.frames > 0 { format!("{offloads}; {sizes}") } else { offloads.to_string() };
    let off = format!("ethtool -K {name} gro off lro off (to be set again after each start of the machine)");
    let merges = offloads.gro == Some(true) || offloads.lro == Some(true);
    let jumbo = format!("If the plant has jumbo frames, tell the interface: ip link set {name} mtu 9000.");
    match (interface.oversize > 0, merges) {
        (true, true) => verdict(Level::Problem, measured, vec![off]),
        (true, false) => verdict(Level::Note, measured, vec![off, jumbo]),
        (false, true) => verdict(Level::Note, measured, vec![off]),
        (false, false) => ok(measured),
    }
}

/// Whether checksums are those of the wire.
pub const CHECKSUMS: Check = Check {
    id: "checksums",
    title: "Checksums",
    why: "Checksums that are left to a card show packets as a host hands them to its card, not as they are on the wire. The sensor \
          does not need them, but what is seen is then not the mirror of a switch.",
    judge: Judge::Each(checksums),
};

fn checksums(interface: &InterfaceMeasures, _: &Measures) -> Option<Verdict> {
    let sums = interface.checksums;
    if sums.all() < LEAST_CHECKSUMS {
        return None;
    }
    let measured = format!(
        "of {} segments and datagrams {} have checksums left empty ({}), {} wrong ones",
        sums.all(),
        sums.empty,
        percent(sums.empty, sums.all()),
        sums.wrong
    );
    if permille(sums.empty, sums.all()) >= EMPTY {
        let actions = vec![
            "Usual where the traffic of the same machine or of a virtual switch is captured: look at a mirror port of a real switch \
             if there is one."
                .to_owned(),
            "Otherwise let the host fill them in: ethtool -K IF tx off, on the host that sends.".to_owned(),
        ];
        return verdict(Level::Note, measured, actions);
    }
    if permille(sums.wrong, sums.all()) >= EMPTY {
        let actions = vec![
            "Something between the devices and here changes packets: check tap, media converters and switch."
                .to_owned(),
        ];
        return verdict(Level::Note, measured, actions);
    }
    ok(measured)
}

/// Whether frames come undamaged.
pub const ERRORS: Check = Check {
    id: "errors",
    title: "Undamaged frames",
    why: "The card throws damaged frames away; they are missing in what the sensor sees.",
    judge: Judge::Each(errors),
};

fn errors(interface: &InterfaceMeasures, _: &Measures) -> Option<Verdict> {
    let errors = interface.live.as_ref()?.grown.errors;
    let measured = format!("{} came damaged", number_of(errors, "frame"));
    if errors == 0 {
        return ok(measured);
    }
    let actions = vec![
        "Check cable and transceiver; set both ends to the same speed and duplex (negotiation on, or off at both ends).".to_owned(),
        format!("ethtool -S {} shows which kind of error.", interface.name),
    ];
    verdict(Level::Note, measured, actions)
}

/// Whether something is left out on purpose.
pub const FILTER: Check = Check {
    id: "filter",
    title: "No filter",
    why: "What a filter does not let through is not seen at all, and not counted.",
    judge: Judge::Each(filter),
};

fn filter(interface: &InterfaceMeasures, _: &Measures) -> Option<Verdict> {
    let filter = interface.live.as_ref()?.filter.as_deref()?;
    let actions = vec![
        "If that is not meant: take `filter` out of the configuration, or --filter out of the command.".to_owned(),
    ];
    verdict(Level::Note, format!("only what passes `{filter}` is looked at"), actions)
}

/// Whether this machine is silent there.
pub const SILENCE: Check = Check {
    id: "silence",
    title: "Nothing sent",
    why: "On a monitored network nothing may be sent. The sensor never does; the machine does by itself where its interface has an \
          address or IPv6.",
    judge: Judge::Each(silence),
};

fn silence(interface: &InterfaceMeasures, _: &Measures) -> Option<Verdict> {
    let sent = interface.live.as_ref()?.grown.sent;
    let name = &interface.name;
    let measured = format!("this machine has sent {} on {name}", number_of(sent, "packet"));
    if sent == 0 {
        return ok(measured);
    }
    let actions = vec![
        format!(
            "Take away its addresses: ip address flush dev {name}; and IPv6: sysctl -w net.ipv6.conf.{name}.disable_ipv6=1"
        ),
        "Keep DHCP clients, NetworkManager, LLDP and mDNS programs off this interface.".to_owned(),
    ];
    verdict(Level::Problem, measured, actions)
}

/// Whether times can be believed.
pub const TIME: Check = Check {
    id: "time",
    title: "Times of packets",
    why: "Alerts are put side by side with logs of other systems by their times; polling intervals are learned from them.",
    judge: Judge::Each(time),
};

fn time(interface: &InterfaceMeasures, all: &Measures) -> Option<Verdict> {
    let Some(live) = &interface.live else {
        let jumps = all.flow.time_jumps;
        if jumps == 0 {
            return None;
        }
        let action = "Several recordings in one file, or a clock that was set meanwhile: replay parts of one clock by themselves.";
        return verdict(
            Level::Note,
            format!("time jumps {} by more than an hour, or backwards", words::times(jumps)),
            vec![action.to_owned()],
        );
    };
    let opened = live.opened.filter(|_| interface.frames > 0)?;
    let can = match live.facts.hardware_time {
        Some(true) => "; the card could stamp them itself",
        _ => "",
    };
    let skew = format!("at most {} from the clock of this machine", words::span(interface.skew));
    let measured = match (opened.time_source, live.wanted) {
        (TimeSource::Adapter, _) => format!("stamped by the card to the nanosecond, {skew}"),
        (TimeSource::Host, TimeSource::Host) => format!("stamped by the kernel to the nanosecond, {skew}{can}"),
        (TimeSource::Host, TimeSource::Adapter) => {
            let actions =
                vec!["This card has no clock that it would give: `time_source = \"host\"` under [capture].".to_owned()];
            return verdict(Level::Note, format!("stamped by the kernel to the nanosecond, {skew}"), actions);
        }
    };
    if interface.skew > SKEW {
        let action = match opened.time_source {
            TimeSource::Adapter => {
                "Nobody sets the card's clock: run ptp4l and phc2sys, or use `time_source = \"host\"`."
            }
            TimeSource::Host => {
                "The clock was set while the sensor looked, or packets waited so long: let NTP (chrony) hold the clock."
            }
        };
        return verdict(Level::Problem, measured, vec![action.to_owned()]);
    }
    ok(measured)
}

#[cfg(test)]
mod tests {
    use super::super::super::measures::{Checksums, LiveMeasures};
    use super::super::testing::{file, level, of_interface, told};
    use super::super::{Level, judge};
    use super::*;

    fn of_live(check: &str, spoil: impl FnOnce(&mut LiveMeasures)) -> Level {
        of_interface(check, |interface| interface.live.as_mut().map(spoil).unwrap_or_default())
    }

    #[test]
    fn a_link_that_is_gone_or_was_is_a_problem() {
        assert_eq!(of_live("link", |live| live.up = false), Level::Problem);
        assert_eq!(of_live("link", |live| live.lost = 1), Level::Problem);
        assert_eq!(told("link", |_| {}).unwrap().measured, "up at 1.0 Gbit/s");
    }

    #[test]
    fn losses_are_told_with_the_ring_that_was_too_small() {
        let kernel = |lost| told("loss", |all| all.interfaces[0].dropped = lost).unwrap();
        assert_eq!(kernel(10).level, Level::Note);
        assert_eq!(kernel(600).level, Level::Problem);
        assert!(kernel(600).actions[0].contains("ring"));
        let card = told("loss", |all| all.interfaces[0].missed = 600).unwrap();
        assert!(card.level == Level::Problem && card.actions[0].contains("ethtool -G eth1"), "{card:?}");
        assert_eq!(level("loss", |all| all.shed.bulk = 5), Level::Note);
        assert_eq!(level("loss", |all| all.shed.ot = 600), Level::Problem);
        assert_eq!(level("loss", |_| {}), Level::Ok);
        let mut recorded = file();
        assert!(!judge(&recorded).iter().any(|finding| finding.check == "loss"));
        recorded.interfaces[0].dropped = 600;
        let finding = judge(&recorded).into_iter().find(|finding| finding.check == "loss").unwrap();
        assert!(finding.level == Level::Problem && finding.measured.contains("recorded"), "{finding:?}");
    }

    #[test]
    fn a_link_that_is_full_is_told() {
        let level = |megabits: u64| of_interface("speed", |interface| interface.peak_bits = megabits * 1_000_000);
        assert_eq!([level(699), level(700), level(950)], [Level::Ok, Level::Note, Level::Problem]);
        assert_eq!(of_live("speed", |live| live.facts.speed = None), Level::Ok);
    }

    #[test]
    fn merged_frames_are_a_problem_where_the_interface_merges() {
        let spoil = |gro, lro, oversize| {
            of_interface("offloads", |interface| {
                interface.oversize = oversize;
                let offloads = &mut interface.live.as_mut().unwrap().facts.offloads;
                (offloads.gro, offloads.lro) = (gro, lro);
            })
        };
        assert_eq!(spoil(Some(true), Some(false), 3), Level::Problem);
        assert_eq!(spoil(None, Some(true), 3), Level::Problem);
        assert_eq!(spoil(Some(false), Some(false), 3), Level::Note);
        assert_eq!(spoil(Some(true), None, 0), Level::Note);
        assert_eq!(spoil(Some(false), None, 0), Level::Ok);
        let finding =
            told("offloads", |all| all.interfaces[0].live.as_mut().unwrap().facts.offloads.gro = Some(true)).unwrap();
        assert!(finding.actions[0].starts_with("ethtool -K eth1 gro off lro off"), "{finding:?}");
        let mut recorded = file();
        recorded.interfaces[0].oversize = 4;
        assert!(judge(&recorded).iter().any(|finding| finding.check == "offloads" && finding.level == Level::Note));
    }

    #[test]
    fn checksums_left_empty_are_told() {
        let level = |right, empty, wrong| {
            of_interface("checksums", |interface| interface.checksums = Checksums { right, empty, wrong })
        };
        assert_eq!(level(90, 10, 0), Level::Note);
        assert_eq!(level(90, 0, 10), Level::Note);
        assert_eq!(level(990, 5, 5), Level::Ok);
        assert_eq!(level(0, 19, 0), Level::Ok, "too few to tell");
    }

    #[test]
    fn what_the_interface_damages_filters_or_sends_is_told() {
        assert_eq!(of_live("errors", |live| live.grown.errors = 1), Level::Note);
        assert_eq!(of_live("errors", |_| {}), Level::Ok);
        assert_eq!(of_live("filter", |live| live.filter = Some("port 502".to_owned())), Level::Note);
        assert_eq!(of_live("filter", |_| {}), Level::Ok);
        assert_eq!(of_live("silence", |live| live.grown.sent = 1), Level::Problem);
        assert_eq!(of_live("silence", |_| {}), Level::Ok);
    }

    #[test]
    fn a_clock_that_nobody_sets_is_a_problem() {
        let skewed = |source, wanted, skew| {
            of_interface("time", |interface| {
                interface.skew = skew;
                let live = interface.live.as_mut().unwrap();
                live.wanted = wanted;
                live.opened.as_mut().unwrap().time_source = source;
            })
        };
        use TimeSource::{Adapter, Host};
        assert_eq!(skewed(Host, Host, SECOND), Level::Ok);
        assert_eq!(skewed(Adapter, Adapter, SECOND), Level::Ok);
        assert_eq!(skewed(Adapter, Adapter, 40 * SECOND), Level::Problem);
        assert_eq!(skewed(Host, Adapter, 0), Level::Note);
        let mut recorded = file();
        assert!(!judge(&recorded).iter().any(|finding| finding.check == "time"));
        recorded.flow.time_jumps = 2;
        assert!(judge(&recorded).iter().any(|finding| finding.check == "time" && finding.level == Level::Note));
    }
}
