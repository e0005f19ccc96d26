//! What the sessions tell of literal dialogues, and that passwords are in nothing of it.

use Direction::{AtoB, BtoA};
use ot_protocol::conformance::{self, Player, Script};
use ot_protocol::session::Finish;
use ot_protocol::{Activity, Direction, Operation, Outcome, Probe, Protocol};

fn script(ports: [u16; 2], segments: &[(Direction, &[u8])]) -> Script {
    let segments = segments.iter().map(|(direction, bytes)| (*direction, bytes.to_vec())).collect();
    Script { client: Some(AtoB), ports, segments }
}

/// Cut anywhere, and with noise. Loss is survived by being done: what was lost may have been what is looked for.
fn play(protocol: &dyn Protocol, script: &Script) -> Player {
    conformance::cut_anywhere(protocol, script);
    conformance::survives_noise(protocol, script, 200);
    conformance::play(protocol, script)
}

fn datagrams(protocol: &dyn Protocol, ports: [u16; 2], datagrams: &[(Direction, &[u8])]) -> Player {
    for (direction, bytes) in datagrams {
        let shown = if *direction == AtoB { [*bytes, &[][..]] } else { [&[][..], *bytes] };
        assert!(matches!(protocol.probe(shown, true, true), Probe::Yes { .. }), "{}", protocol.id());
    }
    let script = script(ports, datagrams);
    conformance::survives_noise(protocol, &script, 200);
    let mut player = Player::new(protocol, &script, true);
    for (direction, bytes) in datagrams {
        player.datagram(*direction, bytes);
    }
    player.finish(Finish::EndOfInput);
    player
}

/// Function, user, outcome, clear text, default of each sign-in.
fn sign_ins(player: &Player) -> Vec<(&'static str, Option<&str>, Outcome, bool, bool)> {
    let sign_ins = player.recorder.activities.iter().filter(|activity| activity.operation == Operation::Authenticate);
    sign_ins
        .map(|activity| {
            let sign_in = activity.sign_in.as_deref().expect("a sign-in");
            let default = sign_in.factory_default.is_some();
            (activity.function.name, sign_in.user.as_deref(), activity.outcome, sign_in.clear_text, default)
        })
        .collect()
}

fn remote(player: &Player) -> Vec<(&'static str, Outcome)> {
    let sessions = player.recorder.activities.iter().filter(|activity| activity.operation == Operation::Session);
    sessions.map(|activity| (activity.function.name, activity.outcome)).collect()
}

fn identities(player: &Player) -> Vec<(&'static str, &str)> {
    player.recorder.identities.iter().map(|told| (told.property, told.value.as_str())).collect()
}

fn hearsay(player: &Player) -> Vec<(String, &'static str, &str)> {
    let told = player.recorder.hearsay.iter();
    told.map(|told| (told.device.ip.expect("an address").to_string(), told.property, told.value.as_str())).collect()
}

/// Holds that a secret is in nothing that was told.
fn never(player: &Player, secret: &str) {
    let all = format!("{:?}", player.recorder);
    assert!(!all.contains(secret), "{secret} is in what was told");
}

#[test]
fn http_basic_sign_ins_are_told_with_their_outcome() {
    // admin:wago, operator:S3cr3t
    let get = |credentials: &str| {
        format!(
            "GET /index.html?a=1 HTTP/1.1\r\nHost: plc7.plant.example:8080\r\n{credentials}User-Agent: curl/8\r\n\r\n"
        )
    };
    let wago = get("Authorization: Basic YWRtaW46d2Fnbw==\r\n");
    let wrong = get("Authorization: Basic b3BlcmF0b3I6UzNjcjN0\r\n");
    let refused = b"HTTP/1.1 401 Unauthorized\r\nServer: WAGO_Webs\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 5\r\n\r\nhello";
    let chunked = b"HTTP/1.1 200 OK\r\nServer: WAGO_Webs\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHTTP/\r\n0\r\n\r\n";
    let plain = get("");
    let script = script(
        [40_000, 8080],
        &[
            (AtoB, plain.as_bytes()),
            (BtoA, refused),
            (AtoB, wrong.as_bytes()),
            (BtoA, refused),
            (AtoB, wago.as_bytes()),
            (BtoA, chunked),
            (AtoB, wago.as_bytes()),
            (BtoA, chunked),
        ],
    );
    conformance::survives_loss(&ot_it::HTTP, &script);
    let player = play(&ot_it::HTTP, &script);
    assert_eq!(
        sign_ins(&player),
        [
            ("HTTP basic sign-in", Some("operator"), Outcome::Rejected(401, "Unauthorized"), true, false),
            ("HTTP basic sign-in", Some("admin"), Outcome::Ok, true, true),
        ]
    );
    assert_eq!(identities(&player), [("software", "WAGO_Webs")]);
    assert_eq!(
        player.recorder.names.first().map(|used| (used.name.as_str(), used.via)),
        Some(("plc7.plant.example", "HTTP Host"))
    );
    assert_eq!(player.recorder.messages.len(), 8);
    never(&player, "S3cr3t");
    never(&player, "b3BlcmF0b3I6UzNjcjN0");
}

#[test]
fn http_digest_and_forms() {
    let digest = b"GET / HTTP/1.0\r\nAuthorization: Digest username=\"anna\", realm=\"r\", response=\"00ff\"\r\n\r\n";
    let form = b"POST /login.cgi HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 33\r\n\r\nusername=openplc&password=openplc";
    let search = b"POST /find HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 16\r\n\r\nname=pump&page=2";
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let back = b"HTTP/1.1 302 Found\r\nLocation: /login?failed=1\r\nContent-Length: 0\r\n\r\n";
    let script =
        script([40_000, 80], &[(AtoB, digest), (BtoA, ok), (AtoB, search), (BtoA, ok), (AtoB, form), (BtoA, back)]);
    let player = play(&ot_it::HTTP, &script);
    assert_eq!(
        sign_ins(&player),
        [
            ("HTTP digest sign-in", Some("anna"), Outcome::Ok, false, false),
            ("HTTP form sign-in", Some("openplc"), Outcome::Rejected(302, "led back to the sign-in page"), true, true),
        ]
    );
}

#[test]
fn http_long_and_odd_heads_are_told() {
    let long = format!("GET / HTTP/1.1\r\nX-Long: {}\r\n\r\n", "A".repeat(5000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X-A: 1\r\n".repeat(130));
    let odd = b"GET / HTTP/1.1\r\nX: a\x01b\r\n\r\n";
    let ok = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let segments: [(Direction, &[u8]); 6] =
        [(AtoB, long.as_bytes()), (BtoA, ok), (AtoB, many.as_bytes()), (BtoA, ok), (AtoB, odd), (BtoA, ok)];
    let player = conformance::play(&ot_it::HTTP, &script([40_000, 80], &segments));
    let heads: Vec<_> = player
        .recorder
        .activities
        .iter()
        .map(|told| (told.target.space, told.target.start, told.target.count, told.target.name.is_some()))
        .collect();
    assert_eq!(
        heads,
        [
            (ot_it::HTTP_HEADER, 1, u32::try_from(long.len()).unwrap(), false),
            (ot_it::HTTP_HEADER, 130, u32::try_from(many.len()).unwrap(), false),
            (ot_it::HTTP_HEADER, 0, u32::try_from(odd.len()).unwrap(), true),
        ]
    );
    // A head without end is told as well, and ends the session.
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "A".repeat(20_000));
    let player = conformance::play(&ot_it::HTTP, &script([40_000, 80], &[(AtoB, endless.as_bytes())]));
    assert_eq!(player.recorder.activities.len(), 1);
}

#[test]
fn other_protocols_are_no_http() {
    let probe = |bytes: &[u8]| ot_it::HTTP.probe([bytes, &[]], true, false);
    assert_eq!(probe(b"OPTIONS rtsp://camera/ RTSP/1.0\r\n"), Probe::No);
    assert_eq!(probe(b"\x00\x01\x00\x00\x00\x06\x01\x03"), Probe::No);
    assert_eq!(probe(b"GE"), Probe::More);
    assert_eq!(probe(b"HTTP/1.1 200"), Probe::Yes { client: Some(BtoA) });
}

#[test]
fn ftp_sign_ins() {
    let script = script(
        [40_000, 21],
        &[
            (BtoA, b"220-Quantum NOE 771 01\r\n220 FTP server ready.\r\n"),
            (AtoB, b"USER anna\r\n"),
            (BtoA, b"331 Password required\r\n"),
            (AtoB, b"PASS Pl4nt!\r\n"),
            (BtoA, b"530 Login incorrect.\r\n"),
            (AtoB, b"USER sysdiag\r\n"),
            (BtoA, b"331 Password required\r\n"),
            (AtoB, b"PASS factorycast@schneider\r\n"),
            (BtoA, b"230 User logged in.\r\n"),
            (AtoB, b"STOR program.bin\r\n"),
        ],
    );
    let player = play(&ot_it::FTP, &script);
    assert_eq!(
        sign_ins(&player),
        [
            ("FTP sign-in", Some("anna"), Outcome::Rejected(530, "Not logged in"), true, false),
            ("FTP sign-in", Some("sysdiag"), Outcome::Ok, true, true),
        ]
    );
    assert_eq!(identities(&player), [("software", "Quantum NOE 771 01")]);
    never(&player, "Pl4nt!");
    never(&player, "factorycast@schneider");
}

#[test]
fn anonymous_ftp_gives_nothing_away() {
    let segments: [(Direction, &[u8]); 5] = [
        (BtoA, b"220 vsFTPd\r\n"),
        (AtoB, b"USER anonymous\r\n"),
        (BtoA, b"331 Any\r\n"),
        (AtoB, b"PASS me@\r\n"),
        (BtoA, b"230 In\r\n"),
    ];
    let player = play(&ot_it::FTP, &script([40_000, 21], &segments));
    assert_eq!(sign_ins(&player), [("FTP sign-in", Some("anonymous"), Outcome::Ok, false, false)]);
    assert_eq!(ot_it::FTP.probe([&[], b"220 mail ESMTP\r\n"], false, false), Probe::No);
}

#[test]
fn telnet_sign_ins_letter_by_letter_and_by_line() {
    let mut segments: Vec<(Direction, &[u8])> = vec![
        (BtoA, &[255, 253, 24, 255, 251, 1]),
        (AtoB, &[255, 251, 24, 255, 253, 1]),
        (BtoA, b"Moxa NPort 5110\r\n\r\nlogin: "),
    ];
    for letter in [&b"a"[..], b"d", b"m", b"x", b"\x7f", b"i", b"n", b"\r\0"] {
        segments.push((AtoB, letter));
    }
    segments.push((BtoA, b"\r\nPassword: "));
    segments.push((AtoB, b"Wr0ngOne\r\n"));
    segments.push((BtoA, b"\r\nLogin incorrect\r\n\r\nlogin: "));
    segments.push((AtoB, b"admin\r\n"));
    segments.push((BtoA, b"Password: "));
    segments.push((AtoB, b"moxa\r\n"));
    segments.push((BtoA, b"\r\nWelcome\r\n# "));
    let player = play(&ot_it::TELNET, &script([40_000, 23], &segments));
    assert_eq!(
        sign_ins(&player),
        [
            ("Telnet sign-in", Some("admin"), Outcome::Rejected(1, "login incorrect"), true, false),
            ("Telnet sign-in", Some("admin"), Outcome::Ok, true, true),
        ]
    );
    assert_eq!(remote(&player), [("Telnet session", Outcome::Ok)]);
    assert_eq!(identities(&player), [("software", "Moxa NPort 5110")]);
    never(&player, "Wr0ngOne");
}

#[test]
fn ssh_sessions() {
    let segments: [(Direction, &[u8]); 3] = [
        (BtoA, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"),
        (AtoB, b"SSH-2.0-PuTTY_Release_0.80\r\n"),
        (AtoB, &[0, 0, 4, 0, 6, 20]),
    ];
    let player = play(&ot_it::SSH, &script([40_000, 22], &segments));
    assert_eq!(remote(&player), [("SSH session", Outcome::Ok)]);
    assert_eq!(identities(&player), [("software", "OpenSSH_9.2p1 Debian-2"), ("software", "PuTTY_Release_0.80")]);
}

#[test]
fn rdp_sessions() {
    let mut request = vec![3, 0, 0, 0, 0, 0xe0, 0, 0, 0, 0, 0];
    request.extend(b"Cookie: mstshash=engineer\r\n");
    request.extend([1, 0, 8, 0, 3, 0, 0, 0]);
    request[3] = u8::try_from(request.len()).unwrap();
    request[4] = request[3] - 5;
    let confirm: &[u8] = &[3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0, 8, 0, 1, 0, 0, 0];
    let script = script([40_000, 3389], &[(AtoB, &request), (BtoA, confirm)]);
    assert!(matches!(ot_it::RDP.probe([&request, &[]], false, false), Probe::Yes { client: Some(AtoB) }));
    let player = play(&ot_it::RDP, &script);
    assert_eq!(remote(&player), [("Remote Desktop session", Outcome::Ok)]);
    let user = |told: &Activity| told.sign_in.as_ref().and_then(|sign_in| sign_in.user.clone());
    assert_eq!(player.recorder.activities.first().and_then(user).as_deref(), Some("engineer"));
}

#[test]
fn vnc_sessions() {
    let refused: [(Direction, &[u8]); 7] = [
        (BtoA, b"RFB 003.008\n"),
        (AtoB, b"RFB 003.008\n"),
        (BtoA, &[2, 2, 16]),
        (AtoB, &[2]),
        (BtoA, &[7; 16]),
        (AtoB, &[9; 16]),
        (BtoA, &[0, 0, 0, 1]),
    ];
    let player = play(&ot_it::VNC, &script([40_000, 5900], &refused));
    assert_eq!(remote(&player), [("VNC session", Outcome::Ok)]);
    assert_eq!(sign_ins(&player), [("VNC sign-in", None, Outcome::Rejected(1, "authentication failed"), false, false)]);
    let open: [(Direction, &[u8]); 5] =
        [(BtoA, b"RFB 003.008\n"), (AtoB, b"RFB 003.008\n"), (BtoA, &[1, 1]), (AtoB, &[1]), (BtoA, &[0, 0, 0, 0])];
    let player = play(&ot_it::VNC, &script([40_000, 5900], &open));
    assert_eq!(sign_ins(&player), [("VNC session without password", None, Outcome::Ok, false, false)]);
    let old: [(Direction, &[u8]); 5] = [
        (BtoA, b"RFB 003.003\n"),
        (AtoB, b"RFB 003.003\n"),
        (BtoA, &[0, 0, 0, 2, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8]),
        (AtoB, &[9; 16]),
        (BtoA, &[0, 0, 0, 0]),
    ];
    let player = play(&ot_it::VNC, &script([40_000, 5900], &old));
    assert_eq!(sign_ins(&player), [("VNC sign-in", None, Outcome::Ok, false, false)]);
}

#[test]
fn teamviewer_sessions() {
    let segments: [(Direction, &[u8]); 2] = [(AtoB, &[0x17, 0x24, 10, 4, 0]), (BtoA, &[0x17, 0x24, 11, 4, 0])];
    let player = play(&ot_it::TEAMVIEWER, &script([40_000, 5938], &segments));
    assert_eq!(remote(&player), [("TeamViewer session", Outcome::Ok)]);
    assert_eq!(ot_it::TEAMVIEWER.probe([&[0x17, 0x24, 1], &[]], false, false), Probe::No);
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("a short body").to_be_bytes();
    let record = u16::try_from(body.len() + 4).expect("a short body").to_be_bytes();
    [&[22, 3, 3][..], &record, &[kind, 0], &length, body].concat()
}

#[test]
fn tls_names() {
    let name = b"historian.plant.example";
    let length = u16::try_from(name.len()).unwrap();
    let server_name =
        [&[0, 0][..], &(length + 5).to_be_bytes(), &(length + 3).to_be_bytes(), &[0], &length.to_be_bytes(), name]
            .concat();
    let extensions = u16::try_from(server_name.len()).unwrap().to_be_bytes();
    let hello = [&[3, 3][..], &[1; 32], &[0, 0, 2, 0x13, 1, 1, 0], &extensions, &server_name].concat();
    let answer = [&[3, 3][..], &[2; 32], &[0, 0x13, 1, 0, 0, 6, 0, 43, 0, 2, 3, 4]].concat();
    let script = script([40_000, 443], &[(AtoB, &handshake(1, &hello)), (BtoA, &handshake(2, &answer))]);
    let player = play(&ot_it::TLS, &script);
    assert_eq!(
        player.recorder.names.first().map(|used| (used.name.as_str(), used.via)),
        Some(("historian.plant.example", "TLS SNI"))
    );
    assert_eq!(identities(&player), [("tls-version", "TLS 1.3")]);
    assert_eq!(ot_it::TLS.probe([&handshake(1, &hello), &[]], false, false), Probe::Yes { client: Some(AtoB) });
}

const QUERY: &[u8] =
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05histo\x05plant\x07example\x00\x00\x01\x00\x01";

#[test]
fn dns_queries_and_answers() {
    let mut answer = QUERY.to_vec();
    answer[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 2]);
    // An alias, and the address of what it leads to.
    answer.extend(b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x04\x01x\xc0\x12");
    answer.extend(b"\xc0\x31\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x19");
    let reverse = b"\x12\x35\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x0211\x010\x010\x0210\x07in-addr\x04arpa\x00\x00\x0c\x00\x01\xc0\x0c\x00\x0c\x00\x01\x00\x00\x00\x3c\x00\x06\x04plc7\x00";
    let player = datagrams(&ot_it::DNS, [40_000, 53], &[(AtoB, QUERY), (BtoA, &answer), (BtoA, reverse)]);
    assert_eq!(
        player.recorder.names.first().map(|used| (used.name.as_str(), used.via)),
        Some(("histo.plant.example", "DNS query"))
    );
    assert_eq!(
        hearsay(&player),
        [("10.0.0.25".to_owned(), "dns-name", "histo.plant.example"), ("10.0.0.11".to_owned(), "dns-name", "plc7"),]
    );
    assert_eq!(identities(&player), [("capabilities", "DNS server")]);
    assert_eq!(ot_it::DNS.probe([QUERY, &[]], false, true), Probe::No);
}

#[test]
fn mdns_names_of_the_speaker_and_of_others() {
    let answer = b"\x00\x00\x84\x00\x00\x00\x00\x02\x00\x00\x00\x00\x04hmi1\x05local\x00\x00\x01\x80\x01\x00\x00\x00\x78\x00\x04\xc0\x00\x02\x01\x04plc7\xc0\x11\x00\x01\x80\x01\x00\x00\x00\x78\x00\x04\xc0\x00\x02\x09";
    let player = datagrams(&ot_it::MDNS, [5353, 5353], &[(AtoB, answer)]);
    assert_eq!(identities(&player), [("name", "hmi1")]);
    assert_eq!(hearsay(&player), [("192.0.2.9".to_owned(), "dns-name", "plc7.local")]);
}

#[test]
fn netbios_registrations() {
    let registration = b"\x00\x01\x29\x10\x00\x01\x00\x00\x00\x00\x00\x01\x20EIENEJDBCACACACACACACACACACACAAA\x00\x00\x20\x00\x01\xc0\x0c\x00\x20\x00\x01\x00\x00\x00\x00\x00\x06\x00\x00\xc0\x00\x02\x01";
    let player = datagrams(&ot_it::NETBIOS_NS, [137, 137], &[(AtoB, registration)]);
    assert_eq!(identities(&player), [("name", "HMI1")]);
}

#[test]
fn dhcp_requests_name_their_client() {
    let mut request = vec![1, 1, 6, 0];
    request.extend([0; 24]);
    request.extend([0x00, 0x1b, 0x1b, 1, 2, 3]);
    request.extend([0; 10 + 64 + 128]);
    request.extend([0x63, 0x82, 0x53, 0x63, 53, 1, 3, 12, 4, b'h', b'm', b'i', b'1', 60, 8]);
    request.extend(b"MSFT 5.0\xff");
    let player = datagrams(&ot_it::DHCP, [68, 67], &[(AtoB, &request)]);
    assert_eq!(identities(&player), [("name", "hmi1"), ("dhcp-vendor-class", "MSFT 5.0")]);
    let device = player.recorder.identities.first().expect("an identity").device;
    assert_eq!((device.mac.map(|mac| mac.to_string()).as_deref(), device.ip), (Some("00:1b:1b:01:02:03"), None));
}

#[test]
fn snmp_communities_are_compared_and_forgotten() {
    let get = |community: &[u8], kind: u8, value: &[u8]| {
        let variable = [&[6, 8, 0x2b, 6, 1, 2, 1, 1, 5, 0][..], value].concat();
        let variable = [&[0x30, u8::try_from(variable.len()).unwrap()][..], &variable].concat();
        let body = [&[2, 1, 9, 2, 1, 0, 2, 1, 0, 0x30, u8::try_from(variable.len()).unwrap()][..], &variable].concat();
        let all = [
            &[2, 1, 1, 4, u8::try_from(community.len()).unwrap()][..],
            community,
            &[kind, u8::try_from(body.len()).unwrap()],
            &body,
        ]
        .concat();
        [&[0x30, u8::try_from(all.len()).unwrap()][..], &all].concat()
    };
    let asked = get(b"public", 0xa0, &[5, 0]);
    let answered = get(b"public", 0xa2, b"\x04\x05SW-01");
    let other = get(b"Hidden77", 0xa0, &[5, 0]);
    let player = datagrams(&ot_it::SNMP, [40_000, 161], &[(AtoB, &asked), (BtoA, &answered), (AtoB, &other)]);
    assert_eq!(
        sign_ins(&player),
        [("SNMP read", None, Outcome::Ok, true, true), ("SNMP read", None, Outcome::Pending, true, false)]
    );
    assert_eq!(identities(&player), [("name", "SW-01")]);
    never(&player, "Hidden77");
    never(&player, "\"public");
    assert!(matches!(ot_it::SNMP.probe([&asked, &[]], false, true), Probe::Yes { client: Some(AtoB) }));
}

#[test]
fn neighbours_tell_of_themselves() {
    let lldp = b"\x02\x07\x04\x00\x1b\x1b\x00\x00\x01\x04\x06\x07port1\x06\x02\x00\x78\x0a\x05SW-01\x0c\x0bSCALANCE XC\x0e\x04\x00\x14\x00\x04\x10\x0c\x05\x01\x0a\x00\x00\x01\x02\x00\x00\x00\x01\x00\x00\x00";
    let player = datagrams(&ot_it::LLDP, [0, 0], &[(AtoB, lldp)]);
    assert_eq!(identities(&player), [("name", "SW-01"), ("description", "SCALANCE XC"), ("capabilities", "bridge")]);
    assert_eq!(hearsay(&player).first(), Some(&("10.0.0.1".to_owned(), "name", "SW-01")));
    let cdp = b"\x02\xb4\x00\x00\x00\x01\x00\x09sw-07\x00\x04\x00\x08\x00\x00\x00\x28\x00\x06\x00\x12cisco IE-3300\0\0\x00\x05\x00\x0eIOS 17\nabc";
    let player = datagrams(&ot_it::CDP, [0, 0], &[(AtoB, cdp)]);
    let told = identities(&player);
    assert!(told.contains(&("name", "sw-07")) && told.contains(&("capabilities", "bridge")), "{told:?}");
    let dcp = b"\xfe\xff\x05\x01\x00\x00\x00\x01\x00\x00\x00\x2c\x02\x02\x00\x07\x00\x00plc-7\x00\x02\x01\x00\x09\x00\x00S7-1200\x00\x02\x03\x00\x06\x00\x00\x00\x2a\x01\x0d\x02\x04\x00\x04\x00\x00\x02\x00";
    let player = datagrams(&ot_it::PROFINET_DCP, [0, 0], &[(AtoB, dcp)]);
    let told = identities(&player);
    assert!(told.contains(&("name", "plc-7")) && told.contains(&("vendor", "Siemens")), "{told:?}");
    assert!(told.contains(&("profinet-role", "IO controller")) && told.contains(&("device-id", "0x010d")), "{told:?}");
}

#[test]
fn nothing_panics_or_stops() {
    for protocol in ot_it::COMPANIONS {
        let port = protocol.ports().first().copied().unwrap_or(0);
        let script = script([40_000, port], &[(AtoB, b"GET / HTTP/1.0\r\n\r\n"), (BtoA, &[0x30, 5, 2, 1, 1])]);
        conformance::survives_noise(*protocol, &script, 300);
        assert!(protocol.fields().iter().all(|field| !field.name.contains("pass") && field.name != "snmp.community"));
    }
}
