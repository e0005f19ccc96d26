//! Whether the switch mirrors what it should: both directions, once, whole.

use super::super::measures::{InterfaceMeasures, Measures, rate};
use super::{Check, Judge, Level, Verdict, bits, ok, percent, permille, verdict};
use ot_engine::words::{self, number_of};

/// Frames below which shares tell nothing.
const LEAST_FRAMES: u64 = 50;
/// Shares of unicast frames, in tenths of a percent: below the first the port is no mirror, below the second it is odd.
const NO_MIRROR: u64 = 100;
const MUCH_MULTICAST: u64 = 500;
/// Share of TCP conversations seen in one direction: above it some links are mirrored in part.
const SOME_ONE_SIDED: u64 = 50;
/// Shares of frames that came twice.
const DOUBLED: u64 = 100;
const SOME_DOUBLED: u64 = 10;
/// Share of frames cut short.
const CUT_SHARE: u64 = 10;

/// Whether anything comes.
pub const TRAFFIC: Check = Check {
    id: "traffic",
    title: "Packets",
    why: "Where nothing comes, nothing is watched.",
    judge: Judge::Each(traffic),
};

fn traffic(interface: &InterfaceMeasures, all: &Measures) -> Option<Verdict> {
    let span = words::span(all.span);
    if interface.frames == 0 {
        let measured = format!("not one packet came within {span}");
        if !all.live {
            return verdict(Level::Problem, measured, vec!["Record again while the plant runs.".to_owned()]);
        }
        let mut actions = vec![
            "Check that the cable is in the mirror port of the switch, and in this interface.".to_owned(),
            "On the switch: show the mirror session (for example `show monitor session 1`) and check that it is on, which \
             ports it copies, and that this port is its destination."
                .to_owned(),
        ];
        if interface.live.as_ref().is_some_and(|live| live.filter.is_some()) {
            actions.push("Look again without the filter.".to_owned());
        }
        return verdict(Level::Problem, measured, actions);
    }
    let (frames, sum) = (rate(interface.frames, all.span), rate(interface.bytes.saturating_mul(8), all.span));
    ok(format!(
        "{} within {span}: {frames} packets/s and {} on average, {} packets/s and {} in the busiest second",
        number_of(interface.frames, "packet"),
        bits(sum),
        interface.peak_frames,
        bits(interface.peak_bits)
    ))
}

/// Whether more than broadcasts come.
pub const UNICAST: Check = Check {
    id: "unicast",
    title: "Packets between two devices",
    why: "A port that is not mirrored to gets only what the switch sends to everybody. What masters and controllers say to each \
          other is unicast: without it no protocol is decoded and no attack is seen.",
    judge: Judge::Each(unicast),
};

fn unicast(interface: &InterfaceMeasures, all: &Measures) -> Option<Verdict> {
    let casts = interface.casts;
    if casts.all() < LEAST_FRAMES {
        return None;
    }
    let measured = format!(
        "{} of {} frames are unicast, {} multicast, {} broadcast",
        percent(casts.unicast, casts.all()),
        casts.all(),
        percent(casts.multicast, casts.all()),
        percent(casts.broadcast, casts.all())
    );
    let share = permille(casts.unicast, casts.all());
    let copy = if all.live { "this port" } else { "the port that was recorded" };
    // Where conversations are seen, the port is a mirror, however much is broadcast beside them.
    if share < NO_MIRROR && interface.sight.sessions == 0 {
        let actions = vec![
            format!(
                "On the switch: make {copy} the destination of a mirror session, and the ports of the controllers its sources, \
                 both directions (for example `monitor session 1 source interface Gi1/0/1 - 8 both`, `monitor session 1 \
                 destination interface Gi1/0/24`)."
            ),
            "If there is a session: check that it is on, and that its source ports or VLANs are those of the controllers.".to_owned(),
        ];
        return verdict(Level::Problem, measured, actions);
    }
    if share < MUCH_MULTICAST {
        let actions = vec![
            "Normal where devices speak by multicast (PROFINET, GOOSE, EtherNet/IP I/O) or little is said between them. Otherwise \
             check that the ports of all controllers are sources of the mirror session."
                .to_owned(),
        ];
        return verdict(Level::Note, measured, actions);
    }
    ok(measured)
}

/// Whether both directions come.
pub const DIRECTIONS: Check = Check {
    id: "directions",
    title: "Both directions of conversations",
    why: "With one direction only, the sensor sees commands without answers or answers without commands: it cannot tell whether a \
          device accepted a command, and takes conversations for incomplete.",
    judge: Judge::Each(directions),
};

fn directions(interface: &InterfaceMeasures, all: &Measures) -> Option<Verdict> {
    let (one, judged) = (u64::from(interface.sight.one_sided), u64::from(interface.sight.sessions));
    if judged == 0 {
        return None;
    }
    let measured = format!(
        "{one} of {} with data were seen in one direction only ({})",
        number_of(judged, "TCP conversation"),
        percent(one, judged)
    );
    let mut actions = vec![
        "On the switch: mirror the source ports in both directions (rx and tx; for example `monitor session 1 source interface \
         Gi1/0/1 - 8 both`)."
            .to_owned(),
        "If both ends are on different switches or on a redundant path: mirror both paths.".to_owned(),
        "Of a network tap connect both outputs, to two interfaces, and give both to the sensor (--interface twice).".to_owned(),
    ];
    if one * 2 > judged {
        return verdict(Level::Problem, measured, actions);
    }
    if permille(one, judged) > SOME_ONE_SIDED {
        let from = if all.live { "the others of this port are whole" } else { "the others are whole" };
        actions.insert(0, format!("Some links are mirrored in part ({from}): find the port of those that are not."));
        return verdict(Level::Note, measured, actions);
    }
    ok(measured)
}

/// Whether frames come once.
pub const DUPLICATES: Check = Check {
    id: "duplicates",
    title: "Packets seen once",
    why: "The sensor drops doubles and is not misled, but they take half of the mirror port: what does not fit is lost by the switch.",
    judge: Judge::Whole(duplicates),
};

fn duplicates(all: &Measures) -> Option<Verdict> {
    let frames = all.link.frames;
    if frames < LEAST_FRAMES {
        return None;
    }
    let doubles = all.link.duplicates + all.flow.duplicates;
    let mut measured = format!("{doubles} of {frames} packets came twice ({})", percent(doubles, frames));
    let twins = all.link.duplicates_redundancy;
    if twins > 0 {
        measured.push_str(&format!(
            "; {} of a redundant network (PRP, HSR), which is as it should be",
            number_of(twins, "twin")
        ));
    }
    let actions = vec![
        "On the switch: mirror each conversation at one place. Usual causes: a port and its uplink are both sources; a whole VLAN \
         is a source in both directions (take rx only then); two sessions have the same destination."
            .to_owned(),
    ];
    match permille(doubles, frames) {
        share if share >= DOUBLED => verdict(Level::Problem, measured, actions),
        share if share >= SOME_DOUBLED => verdict(Level::Note, measured, actions),
        _ => ok(measured),
    }
}

/// Whether frames come whole.
pub const CUT: Check = Check {
    id: "cut",
    title: "Whole packets",
    why: "What was cut off cannot be decoded: values, program blocks and the rest of the message are missing.",
    judge: Judge::Whole(cut),
};

fn cut(all: &Measures) -> Option<Verdict> {
    let frames = all.link.frames;
    if frames == 0 {
        return None;
    }
    let cut = all.link.frames_cut.max(all.link.datagrams_cut);
    let measured = format!("{cut} of {} are cut short ({})", number_of(frames, "packet"), percent(cut, frames));
    if cut == 0 {
        return ok(measured);
    }
    let short: Vec<&InterfaceMeasures> = all.interfaces.iter().filter(|interface| interface.cut > 0).collect();
    let mut actions = Vec::new();
    for interface in &short {
        if let Some(live) = &interface.live {
            actions.push(format!(
                "{} keeps {} bytes of a packet: take `snap_length` out of the configuration ([capture] or [[interface]]).",
                interface.name, live.snap_length
            ));
        }
    }
    if short.is_empty() || actions.is_empty() {
        actions.push(if all.live {
            "On the switch: turn off truncation or slicing of mirrored packets.".to_owned()
        } else {
            "Record again with all bytes (tcpdump -s 0), and without truncation of mirrored packets on the switch."
                .to_owned()
        });
    }
    verdict(if permille(cut, frames) >= CUT_SHARE { Level::Problem } else { Level::Note }, measured, actions)
}

/// Which VLANs come.
pub const VLANS: Check = Check {
    id: "vlans",
    title: "VLANs",
    why: "A VLAN that is missing here is not watched.",
    judge: Judge::Whole(vlans),
};

fn vlans(all: &Measures) -> Option<Verdict> {
    if all.vlans.is_empty() {
        return None;
    }
    let untagged = all.vlans.get(&None).copied().unwrap_or_default();
    let mut tagged: Vec<(u16, u64)> = all.vlans.iter().filter_map(|(id, count)| Some(((*id)?, *count))).collect();
    if tagged.is_empty() {
        return ok(format!(
            "{} without VLAN tag; if the mirrored ports carry several VLANs, the switch takes the tags out (to keep them, for \
             example: `monitor session 1 destination interface Gi1/0/24 encapsulation replicate`)",
            number_of(untagged, "packet")
        ));
    }
    let count = tagged.len();
    tagged.sort_by_key(|(id, packets)| (std::cmp::Reverse(*packets), *id));
    let shown: Vec<String> = tagged.iter().take(16).map(|(id, packets)| format!("{id} ({packets})")).collect();
    let more = if count > shown.len() { format!(" and {} more", count - shown.len()) } else { String::new() };
    let mut measured = format!("{count} by id (packets): {}{more}; {untagged} without tag", shown.join(", "));
    if all.link.vlan_stacked > 0 {
        measured.push_str(&format!("; {} have several tags", all.link.vlan_stacked));
    }
    ok(measured)
}

#[cfg(test)]
mod tests {
    use super::super::super::measures::Casts;
    use super::super::testing::{file, good, level, of_interface, told};
    use super::super::{Level, judge};
    use ot_protocol::InterfaceSight;

    #[test]
    fn silence_is_a_problem_and_then_nothing_else_is_said_of_the_mirror() {
        let mut measures = good();
        measures.interfaces = vec![super::InterfaceMeasures {
            name: "eth1".to_owned(),
            live: measures.interfaces[0].live.clone(),
            ..Default::default()
        }];
        measures.link = Default::default();
        measures.vlans.clear();
        measures.protocols.clear();
        measures.controllers.clear();
        let problems: Vec<_> = judge(&measures)
            .into_iter()
            .filter(|finding| finding.level != Level::Ok)
            .map(|finding| finding.check)
            .collect();
        assert_eq!(problems, ["traffic"]);
        assert!(told("traffic", |_| {}).unwrap().measured.contains("1000 packets/s and 800.0 kbit/s on average"));
    }

    #[test]
    fn a_port_that_is_no_mirror_gets_broadcasts_only() {
        let casts = |unicast, multicast, broadcast| Casts { unicast, multicast, broadcast };
        let seen = |casts, sessions| {
            of_interface("unicast", |interface| {
                interface.casts = casts;
                interface.sight.sessions = sessions;
            })
        };
        let level = |casts| seen(casts, 0);
        assert_eq!(level(casts(0, 50, 50)), Level::Problem);
        assert_eq!(level(casts(9, 50, 41)), Level::Problem);
        assert_eq!(level(casts(10, 90, 0)), Level::Note);
        assert_eq!(level(casts(50, 50, 0)), Level::Ok);
        assert_eq!(level(casts(0, 0, 49)), Level::Ok, "too few to tell");
        assert_eq!(seen(casts(4, 0, 96), 3), Level::Note, "conversations are seen");
        let finding = told("unicast", |all| {
            all.interfaces[0].casts = casts(0, 50, 50);
            all.interfaces[0].sight.sessions = 0;
        })
        .unwrap();
        assert_eq!(
            finding.measured,
            "0.0 percent of 100 frames are unicast, 50.0 percent multicast, 50.0 percent broadcast"
        );
        assert_eq!(finding.interface.as_deref(), Some("eth1"));
        assert!(finding.actions[0].contains("monitor session 1 source"));
    }

    #[test]
    fn one_direction_is_told_from_whole_conversations() {
        let level = |sessions, one_sided| {
            of_interface("directions", |interface| {
                interface.sight = InterfaceSight { sessions, one_sided, ..InterfaceSight::default() };
            })
        };
        assert_eq!(level(1, 1), Level::Problem);
        assert_eq!(level(10, 6), Level::Problem);
        assert_eq!(level(10, 5), Level::Note);
        assert_eq!(level(20, 1), Level::Ok);
        assert_eq!(level(0, 0), Level::Ok);
    }

    #[test]
    fn doubles_are_counted_over_both_stages_and_twins_are_none() {
        let level = |link, flow, twins| {
            level("duplicates", |all| {
                all.link.duplicates = link;
                all.flow.duplicates = flow;
                all.link.duplicates_redundancy = twins;
            })
        };
        assert_eq!(level(3_000, 3_000, 0), Level::Problem);
        assert_eq!(level(300, 300, 0), Level::Note);
        assert_eq!(level(100, 100, 30_000), Level::Ok);
    }

    #[test]
    fn cut_packets_are_of_the_snap_length_or_of_the_switch() {
        assert_eq!(level("cut", |_| {}), Level::Ok);
        assert_eq!(level("cut", |all| all.link.frames_cut = 10), Level::Note);
        let own = told("cut", |all| {
            all.link.frames_cut = 6_000;
            all.interfaces[0].cut = 6_000;
        })
        .unwrap();
        assert_eq!(own.level, Level::Problem);
        assert!(own.actions[0].contains("snap_length"), "{own:?}");
        let switch = told("cut", |all| all.link.datagrams_cut = 6_000).unwrap();
        assert!(switch.level == Level::Problem && switch.actions[0].contains("truncation"), "{switch:?}");
        let mut recorded = file();
        recorded.link.frames_cut = 6_000;
        recorded.interfaces[0].cut = 6_000;
        let finding = judge(&recorded).into_iter().find(|finding| finding.check == "cut").unwrap();
        assert!(finding.actions[0].contains("tcpdump -s 0"), "{finding:?}");
    }

    #[test]
    fn vlans_are_listed_by_packets() {
        let finding = told("vlans", |all| all.vlans = [(None, 3), (Some(10), 5), (Some(20), 9)].into()).unwrap();
        assert_eq!(finding.measured, "2 by id (packets): 20 (9), 10 (5); 3 without tag");
        let finding = told("vlans", |all| all.vlans = [(None, 3)].into()).unwrap();
        assert!(finding.level == Level::Ok && finding.measured.contains("encapsulation replicate"));
    }
}
