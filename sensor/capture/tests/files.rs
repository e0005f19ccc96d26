//! Captures in every format, whole, cut and damaged.

#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use ot_capture::{CaptureError, CaptureSet, LinkType, Source, Trouble, Warning};
use ot_protocol::Timestamp;
use proptest::prelude::*;

/// What came out of a set.
#[derive(Debug, Default, PartialEq)]
struct Found {
    /// File, frame, time, bytes.
    packets: Vec<(u32, u64, Timestamp, Vec<u8>)>,
    warnings: Vec<Warning>,
}

fn read(paths: &[PathBuf]) -> Result<Found, CaptureError> {
    let mut set = CaptureSet::open(paths)?;
    let mut found = Found::default();
    while let Some(packet) = set.next()? {
        let frame = packet.info.frame;
        assert_eq!(packet.info.number, u64::try_from(found.packets.len()).unwrap() + 1);
        found.packets.push((frame.file(), frame.number(), packet.info.time, packet.data.to_vec()));
    }
    found.warnings = set.warnings();
    Ok(found)
}

fn write(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// A little-endian pcap file of Ethernet frames, each with its second.
fn pcap(frames: &[(u32, &[u8])]) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    for (second, frame) in frames {
        let len = u32::try_from(frame.len()).unwrap();
        for word in [*second, 5, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(*frame);
    }
    file
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let len = u32::try_from(body.len() + 12).unwrap().to_le_bytes();
    [&kind.to_le_bytes()[..], &len, &body, &len].concat()
}

/// A section header and an Ethernet interface with these options.
fn pcapng(options: &[u8]) -> Vec<u8> {
    let mut file = block(0x0a0d_0d0a, &[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
    file.extend(block(1, &[&[1, 0, 0, 0, 0, 0, 0, 0][..], options].concat()));
    file
}

fn enhanced(interface: u32, ticks: u64, frame: &[u8]) -> Vec<u8> {
    let len = u32::try_from(frame.len()).unwrap();
    let high = u32::try_from(ticks >> 32).unwrap();
    let low = u32::try_from(ticks & 0xffff_ffff).unwrap();
    let words: Vec<u8> = [interface, high, low, len, len].iter().flat_map(|word| word.to_le_bytes()).collect();
    block(6, &[&words, frame].concat())
}

#[test]
fn every_fixture_gives_its_frames_and_times() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/formats");
    let mut cases = 0;
    for folder in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let text = fs::read_to_string(folder.join("expected.toml")).unwrap();
        let expected: toml::Table = text.parse().unwrap();
        let found = read(&[folder.join(expected["file"].as_str().unwrap())]).unwrap();
        let frames = usize::try_from(expected["frames"].as_integer().unwrap()).unwrap();
        let flag = |name| expected.get(name).and_then(toml::Value::as_bool).unwrap_or(false);
        if flag("at_least") {
            assert!(found.packets.len() >= frames, "{}: {}", folder.display(), found.packets.len());
        } else {
            assert_eq!(found.packets.len(), frames, "{}", folder.display());
        }
        assert_eq!(!found.warnings.is_empty(), flag("cut_tail"), "{}: {:?}", folder.display(), found.warnings);
        for (key, packet) in [("first", found.packets.first()), ("last", found.packets.last())] {
            let Some(time) = expected.get(key) else { continue };
            let time = time.as_str().map_or_else(|| time.to_string(), str::to_owned);
            let (whole, _) = time.trim_end_matches('Z').split_once('.').unwrap_or((time.trim_end_matches('Z'), ""));
            let got = packet.unwrap().2.to_string();
            assert!(got.starts_with(whole), "{}: {key} is {got}, not {time}", folder.display());
        }
        cases += 1;
    }
    assert!(cases > 70, "only {cases} fixtures");
}

/// With `OT_SENSOR_CORPUS` naming a folder of captures with an INVENTORY.csv: each opens, with the frames and SHA-256 listed.
#[test]
fn every_capture_of_the_corpus_gives_its_frames() {
    let Some(root) = std::env::var_os("OT_SENSOR_CORPUS").map(PathBuf::from) else { return };
    let table = fs::read_to_string(root.join("INVENTORY.csv")).unwrap();
    let mut wrong = Vec::new();
    let mut files = 0;
    for line in table.lines().skip(1) {
        // The columns that are looked at come before any quoted one, or last.
        let columns: Vec<_> = line.split(',').collect();
        let (Some(name), Some(packets)) = (columns.first(), columns.get(3).and_then(|text| text.parse::<usize>().ok()))
        else {
            continue;
        };
        files += 1;
        let mut set = CaptureSet::open(&[root.join(name)]).unwrap();
        let hash: String = set.files()[0].sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut count = 0;
        while set.next().unwrap().is_some() {
            count += 1;
        }
        // Of one file the inventory counts custom blocks as frames, as tshark does; capinfos counts 8 as well.
        let packets = if name == &"background/gopacket-le-test202.pcapng" { 8 } else { packets };
        let warnings: Vec<_> = set.warnings().iter().map(Warning::to_string).collect();
        if count != packets || columns.last() != Some(&hash.as_str()) {
            wrong.push(format!("{name}: {count} packets, {packets} listed, {hash} {warnings:?}"));
        }
    }
    assert!(files > 0);
    assert!(wrong.is_empty(), "{} of {files}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn files_merge_by_time_and_keep_their_own_order() {
    let folder = tempfile::tempdir().unwrap();
    // The file that is named last begins first; it also runs backwards once.
    let b = write(&folder, "b.pcap", &pcap(&[(10, b"b1"), (20, b"b2"), (15, b"b3"), (40, b"b4")]));
    let a = write(&folder, "a.pcap", &pcap(&[(10, b"a1"), (30, b"a2")]));
    let z = write(&folder, "z.pcap", &pcap(&[(5, b"z1"), (50, b"z2")]));
    let empty = write(&folder, "0.pcap", &pcap(&[]));
    let mut set = CaptureSet::open(&[b.clone(), empty.clone(), a.clone(), z.clone()]).unwrap().number_files_from(100);
    let order: Vec<_> = set.files().iter().map(|file| file.path.clone()).collect();
    assert_eq!(order, [z.clone(), a.clone(), b.clone(), empty.clone()]);
    let mut frames = Vec::new();
    while let Some(packet) = set.next().unwrap() {
        frames.push((packet.info.number, packet.info.frame.file(), String::from_utf8(packet.data.to_vec()).unwrap()));
    }
    let names: Vec<_> = frames.iter().map(|frame| frame.2.as_str()).collect();
    assert_eq!(names, ["z1", "a1", "b1", "b2", "b3", "a2", "b4", "z2"]);
    assert_eq!(frames[2], (3, 102, "b1".to_owned()));
    let progress = set.progress();
    assert_eq!(Some(progress.read), progress.total);
    assert_eq!(set.warnings(), []);
}

#[test]
fn inputs_are_identified_as_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "a.pcap", &pcap(&[]));
    let set = CaptureSet::open(&[path]).unwrap();
    assert_eq!(set.files()[0].bytes, 24);
    use sha2::Digest;
    let expected: [u8; 32] = sha2::Sha256::digest(pcap(&[])).into();
    assert_eq!(set.files()[0].sha256, expected);
}

/// What is read only once is hashed on the way, also compressed, and stands alone.
#[test]
fn a_pipe_is_hashed_while_it_is_read() {
    use sha2::Digest;
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    if !made.is_ok_and(|status| status.success()) {
        return;
    }
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&pcap(&[(1, b"one"), (2, b"two")])).unwrap();
    let stored = packer.finish().unwrap();
    let (bytes, path) = (stored.clone(), pipe.clone());
    let writer = std::thread::spawn(move || fs::write(path, bytes).unwrap());
    let mut set = CaptureSet::open(std::slice::from_ref(&pipe)).unwrap();
    assert_eq!((set.files()[0].sha256, set.progress().total), ([0; 32], None));
    let mut frames = Vec::new();
    while let Some(packet) = set.next().unwrap() {
        frames.push((packet.info.frame.number(), packet.data.to_vec()));
    }
    writer.join().unwrap();
    assert_eq!(frames, [(1, b"one".to_vec()), (2, b"two".to_vec())]);
    let expected: [u8; 32] = sha2::Sha256::digest(&stored).into();
    assert_eq!(set.files()[0].sha256, expected);
    assert_eq!(set.files()[0].bytes, u64::try_from(stored.len()).unwrap());
}

#[test]
fn a_cut_tail_is_told_and_the_rest_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let whole = pcap(&[(1, b"first frame"), (2, b"second")]);
    for keep in 24..whole.len() {
        let found = read(&[write(&folder, "a.pcap", &whole[..keep])]).unwrap();
        let frames = usize::from(keep >= 24 + 16 + 11);
        assert_eq!(found.packets.len(), frames, "{keep}");
        let at_border = keep == 24 || keep == 24 + 16 + 11;
        assert_eq!(found.warnings.is_empty(), at_border, "{keep}: {:?}", found.warnings);
    }
    let found = read(&[write(&folder, "a.pcap", &whole[..whole.len() - 2])]).unwrap();
    let warning = &found.warnings[0];
    assert_eq!((warning.file, warning.frame, warning.offset), (0, 2, 51));
    assert_eq!(warning.trouble, Trouble::Cut { missing: 2 });
    assert!(
        warning
            .to_string()
            .ends_with("a.pcap: ends within frame 2 (offset 51): 2 bytes are missing; the frames before it were used")
    );
}

#[test]
fn a_cut_pcapng_is_told_and_the_rest_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let head = pcapng(&[]);
    let whole = [head.clone(), enhanced(0, 1, b"first"), enhanced(0, 2, b"second")].concat();
    let borders = [head.len() - 20, head.len(), head.len() + 40];
    for keep in 28..whole.len() {
        let found = read(&[write(&folder, "a.pcapng", &whole[..keep])]).unwrap();
        assert_eq!(found.packets.len(), usize::from(keep >= head.len() + 40), "{keep}");
        assert_eq!(found.warnings.is_empty(), borders.contains(&keep), "{keep}: {:?}", found.warnings);
    }
}

#[test]
fn damage_in_the_middle_keeps_what_came_before() {
    let folder = tempfile::tempdir().unwrap();
    for length in [262_145_u32, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        let mut file = pcap(&[(1, b"good")]);
        for word in [2, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend([0; 100]);
        let found = read(&[write(&folder, "a.pcap", &file)]).unwrap();
        assert_eq!(found.packets.len(), 1);
        assert!(matches!(found.warnings[0].trouble, Trouble::Damaged(_)), "{:?}", found.warnings);
        assert_eq!((found.warnings[0].frame, found.warnings[0].offset), (2, 44));
    }
    for length in [0_u32, 8, 13, 0xffff_fffc, u32::MAX] {
        let mut file = [pcapng(&[]), enhanced(0, 1, b"good")].concat();
        file.extend(6_u32.to_le_bytes());
        file.extend(length.to_le_bytes());
        file.extend([0; 100]);
        let found = read(&[write(&folder, "a.pcapng", &file)]).unwrap();
        assert_eq!((found.packets.len(), found.warnings.len()), (1, 1), "{length}");
    }
}

#[test]
fn a_bad_block_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let file =
        [pcapng(&[]), enhanced(0, 1, b"one"), enhanced(7, 2, b"two"), enhanced(9, 2, b"x"), enhanced(0, 3, b"three")];
    let found = read(&[write(&folder, "a.pcapng", &file.concat())]).unwrap();
    let frames: Vec<_> = found.packets.iter().map(|packet| packet.1).collect();
    assert_eq!(frames, [1, 4]);
    assert_eq!(found.warnings.len(), 1);
    assert_eq!(found.warnings[0].frame, 2);
}

#[test]
fn ticks_become_nanoseconds() {
    let folder = tempfile::tempdir().unwrap();
    let option = |code: u8, value: &[u8]| {
        let mut option = vec![code, 0, u8::try_from(value.len()).unwrap(), 0];
        option.extend(value);
        option.resize(option.len().next_multiple_of(4), 0);
        option
    };
    for (resolution, ticks, nanos) in [
        (0, 3, 3_000_000_000),
        (3, 1_500, 1_500_000_000),
        (6, 1_500_001, 1_500_001_000),
        (9, 1_500_000_001, 1_500_000_001),
        (12, 1_500_000_001_999, 1_500_000_001),
        (127, u64::MAX, 0),
        (0x80, 2, 2_000_000_000),
        (0x80 | 10, 1_536, 1_500_000_000),
        (0x80 | 32, 3 << 31, 1_500_000_000),
        (0xff, u64::MAX, 0),
        (0, u64::MAX, i64::MAX),
    ] {
        let file = [pcapng(&option(9, &[resolution])), enhanced(0, ticks, b"x")].concat();
        let found = read(&[write(&folder, "a.pcapng", &file)]).unwrap();
        assert_eq!(found.packets[0].2, Timestamp(nanos), "{resolution:#x}");
    }
    let file = [pcapng(&option(14, &(-2_i64).to_le_bytes())), enhanced(0, 3_000_000, b"x")].concat();
    let found = read(&[write(&folder, "a.pcapng", &file)]).unwrap();
    assert_eq!(found.packets[0].2, Timestamp(1_000_000_000));
}

#[test]
fn losses_that_the_capture_tells_of_are_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let statistics = |dropped: u64| {
        let mut body = vec![0; 12];
        body.extend([5, 0, 8, 0]);
        body.extend(dropped.to_le_bytes());
        block(5, &body)
    };
    let file = [pcapng(&[]), statistics(3), enhanced(0, 1, b"x"), statistics(10)].concat();
    let mut set = CaptureSet::open(&[write(&folder, "a.pcapng", &file)]).unwrap();
    while set.next().unwrap().is_some() {}
    assert_eq!(set.dropped(), 10);
}

#[test]
fn losses_are_told_by_interface_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let statistics = |interface: u32, dropped: Option<u64>| {
        let mut body = interface.to_le_bytes().to_vec();
        body.extend([0; 8]);
        if let Some(dropped) = dropped {
            body.extend([5, 0, 8, 0]);
            body.extend(dropped.to_le_bytes());
        }
        block(5, &body)
    };
    let name = [2, 0, 4, 0, b'e', b't', b'h', b'7'];
    let second = block(1, &[1, 0, 0, 0, 0, 0, 0, 0]);
    let begin = [pcapng(&name), second, statistics(1, Some(2)), enhanced(0, 1, b"x")].concat();
    let end = [statistics(1, Some(2)), enhanced(1, 2, b"y"), statistics(0, None), statistics(1, Some(9))].concat();
    let mut set = CaptureSet::open(&[write(&folder, "a.pcapng", &[begin, end].concat())]).unwrap();
    assert!(set.next().unwrap().is_some());
    assert_eq!(set.losses(), [(1, 2)]);
    assert_eq!((set.interface_name(0), set.interface_name(1)), (Some("eth7"), None));
    assert!(set.next().unwrap().is_some());
    assert_eq!(set.losses(), [(1, 0)], "counted, and none lost since");
    assert!(set.next().unwrap().is_none());
    assert_eq!(set.losses(), [(1, 7)], "where nobody counted, nothing is told");
    assert_eq!(set.losses(), []);
}

#[test]
fn each_input_that_cannot_be_used_is_told_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut link = pcap(&[(1, b"x")]);
    link[20] = 147;
    let link_ng = {
        let mut file = pcapng(&[]);
        let at = file.len() - 12;
        file[at] = 147;
        [file, enhanced(0, 1, b"x")].concat()
    };
    for (name, bytes, text) in [
        ("empty", &b""[..], "is empty (0 bytes)"),
        ("text", b"Date: today", "is no capture file (text)"),
        ("short", b"\xd4\xc3\xb2\xa1\x02", "is no capture file (begins with d4 c3 b2 a1)"),
        ("xz", b"\xfd7zXZ\0", "is no capture file (xz: unpack it first)"),
        ("gzip", b"\x1f\x8b\x08\x00garbage", "is no capture file ("),
        ("link", &link, "link type 147 is not supported"),
        ("link-ng", &link_ng, "link type 147 is not supported"),
    ] {
        let error = CaptureSet::open(&[write(&folder, name, bytes)]).err().unwrap().to_string();
        assert!(error.starts_with(&format!("{}: {text}", path(name).display())), "{error}");
        assert!(!error.contains('\n') && error.contains(": "), "{error}");
    }
    let error = |paths: &[PathBuf]| CaptureSet::open(paths).err().unwrap();
    assert!(matches!(error(&[path("none")]), CaptureError::Missing { .. }));
    assert!(matches!(error(&[path("text").join("x")]), CaptureError::Missing { .. }));
    assert!(matches!(error(&[folder.path().to_path_buf()]), CaptureError::Directory { .. }));
    assert!(matches!(error(&[]), CaptureError::Nothing));
    let good = write(&folder, "good", &pcap(&[]));
    assert!(matches!(error(&[good.clone(), good.clone()]), CaptureError::Twice { .. }));
    assert!(matches!(error(&[good, PathBuf::from("-")]), CaptureError::NotAlone { .. }));
}

#[test]
fn a_strange_interface_beside_a_known_one_is_told_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let strange = block(1, &[147, 0, 0, 0, 0, 0, 0, 0]);
    let file = [pcapng(&[]), strange, enhanced(1, 1, b"s"), enhanced(0, 2, b"e"), enhanced(1, 3, b"s")].concat();
    let mut set = CaptureSet::open(&[write(&folder, "a.pcapng", &file)]).unwrap();
    let mut links = Vec::new();
    while let Some(packet) = set.next().unwrap() {
        links.push((packet.link, packet.interface));
    }
    assert_eq!(links, [(LinkType::Other(147), 1), (LinkType::Ethernet, 0), (LinkType::Other(147), 1)]);
    let warnings = set.warnings();
    assert_eq!(warnings.len(), 1);
    assert_eq!((warnings[0].frame, &warnings[0].trouble), (1, &Trouble::LinkType(147)));
}

#[test]
fn records_longer_than_the_window_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = [pcapng(&[]), enhanced(0, 1, b"one"), block(10, &vec![7; 5 << 20]), enhanced(0, 2, b"two")].concat();
    let found = read(&[write(&folder, "a.pcapng", &file)]).unwrap();
    assert_eq!((found.packets.len(), found.warnings.len()), (2, 0));
    let longest = vec![9; 262_144];
    let found = read(&[write(&folder, "b.pcap", &pcap(&[(1, &longest), (2, b"x"), (3, &longest)]))]).unwrap();
    assert_eq!(found.packets.len(), 3);
    assert_eq!(found.packets[2].3, longest);
}

/// 512 MiB of zeros in half a megabyte: read through, in a window of fixed size.
#[test]
fn a_decompression_bomb_does_not_grow_memory() {
    let folder = tempfile::tempdir().unwrap();
    let bomb = folder.path().join("bomb.pcapng.gz");
    let mut packer = flate2::write::GzEncoder::new(fs::File::create(&bomb).unwrap(), flate2::Compression::fast());
    packer.write_all(&pcapng(&[])).unwrap();
    let len = (512_u32 << 20) + 12;
    packer.write_all(&[10_u32.to_le_bytes(), len.to_le_bytes()].concat()).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..512 {
        packer.write_all(&zeros).unwrap();
    }
    packer.write_all(&len.to_le_bytes()).unwrap();
    packer.write_all(&enhanced(0, 1, b"behind")).unwrap();
    packer.finish().unwrap();
    let found = read(&[bomb]).unwrap();
    assert_eq!(found.packets.len(), 1);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|text| text.split_whitespace().next());
    if let Some(peak) = peak.and_then(|text| text.parse::<u64>().ok()) {
        assert!(peak < 256 << 10, "{peak} KiB");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_bytes_never_panic(magic in 0..9_usize, bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        const MAGICS: [&[u8]; 9] = [
            b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0", b"\xa1\xb2\x3c\x4d",
            b"\xa1\xb2\xcd\x34\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", b"\x0a\x0d\x0d\x0a",
            b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0",
            b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18", b"",
        ];
        let folder = tempfile::tempdir().unwrap();
        let _ = read(&[write(&folder, "a", &[MAGICS[magic], &bytes].concat())]);
    }

    #[test]
    fn damaged_bytes_never_panic(at in 0..400_usize, value: u8, cut in 0..400_usize, next_generation: bool) {
        let folder = tempfile::tempdir().unwrap();
        let mut file = if next_generation {
            [pcapng(&[9, 0, 1, 0, 9, 0, 0, 0]), enhanced(0, 1, b"first"), enhanced(0, 2, &[7; 90]), block(5, &[0; 24])].concat()
        } else {
            pcap(&[(1, b"first"), (2, &[7; 90])])
        };
        let len = file.len();
        file[at % len] = value;
        file.truncate(len - cut % len);
        let _ = read(&[write(&folder, "a", &file)]);
    }
}
