//! Payload signatures of known malware: what to look for, what exactly it means, and where it was published.
//!
//! One static table. A signature is a few bytes to look for (a needle), or the port of a datagram, and a check of what stands
//! there. It recognises; it holds nothing that could be used. [`crate::SignatureHit`] tells where one was found.

use crate::fact::SessionId;
use crate::net::{Direction, Endpoint, FrameRef};
use crate::time::Timestamp;

/// Where a signature is looked for. OT messages are never searched.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// Anywhere in streams and datagrams that carry no OT protocol: one of these byte strings.
    Bytes(&'static [&'static [u8]]),
    /// At the start of datagrams from or to this UDP port.
    Datagram(u16),
}

/// A signature.
#[derive(Debug)]
pub struct Signature {
    /// Stable id.
    pub id: &'static str,
    /// Catalogue id of the alert: `eicar` or `known-malware`.
    pub alert: &'static str,
    /// Name of the malware or exploit.
    pub malware: &'static str,
    /// What exactly was seen, as the end of "a packet holds".
    pub sees: &'static str,
    /// Where it was published.
    pub source: &'static str,
    /// ATT&CK for ICS.
    pub techniques: &'static [&'static str],
    /// Whether regular engineering does the same: told only of a client that the baseline does not know with this server,
    /// and that is no programming device.
    pub unless_learned: bool,
    /// Where to look.
    pub place: Place,
    /// Looks at the bytes from the needle (the start of the datagram) on; false where they are not it, or are too few yet.
    /// Needs no more than [`CONTEXT`] of them.
    pub check: fn(&[u8]) -> bool,
}

/// Most bytes that a check looks at, and that a needle has.
pub const CONTEXT: usize = 80;

/// A signature was found.
#[derive(Clone, Debug)]
pub struct SignatureHit {
    /// The signature.
    pub signature: &'static Signature,
    /// The conversation.
    pub session: SessionId,
    /// Packet time.
    pub time: Timestamp,
    /// Frame that completes it.
    pub frame: FrameRef,
    /// Who asks.
    pub client: Endpoint,
    /// Who answers.
    pub server: Endpoint,
    /// Whether the client sent it (A to B) or the server.
    pub sender: Direction,
    /// The bytes from where it begins, 32 at most.
    pub bytes: Box<[u8]>,
}

impl PartialEq for SignatureHit {
    fn eq(&self, other: &Self) -> bool {
        self.signature.id == other.signature.id
            && (self.session, self.time, self.frame) == (other.session, other.time, other.frame)
            && (self.client, self.server, self.sender) == (other.client, other.server, other.sender)
            && self.bytes == other.bytes
    }
}

/// All signatures.
pub static SIGNATURES: [Signature; 13] = [
    Signature {
        id: "eicar",
        alert: "eicar",
        malware: "EICAR test file",
        sees: "the EICAR test string, which every virus scanner reports and which does no harm",
        source: "EICAR, Anti-Malware Testfile, eicar.org",
        techniques: &["T0867"],
        unless_learned: false,
        place: Place::Bytes(&[EICAR]),
        check: eicar,
    },
    Signature {
        id: "eternalblue-transaction",
        alert: "known-malware",
        malware: "EternalBlue (MS17-010)",
        sees: "an SMBv1 transaction of no known function that announces more than 64 KiB of data, as the exploit sends it",
        source: "Microsoft Security Bulletin MS17-010 (CVE-2017-0144); Snort rules 41978 and 42944",
        techniques: &["T0866"],
        unless_learned: false,
        place: Place::Bytes(&[b"\xffSMB\xa0"]),
        check: smb_transaction,
    },
    Signature {
        id: "eternalblue-overflow",
        alert: "known-malware",
        malware: "EternalBlue (MS17-010)",
        sees: "a secondary SMBv1 transaction whose data reach beyond the total that it announces, the overflow of MS17-010",
        source: "Microsoft Security Bulletin MS17-010 (CVE-2017-0144); Snort rule 41978",
        techniques: &["T0866"],
        unless_learned: false,
        place: Place::Bytes(&[b"\xffSMB\x33"]),
        check: smb_secondary,
    },
    Signature {
        id: "doublepulsar-ping",
        alert: "known-malware",
        malware: "DoublePulsar",
        sees: "the SMBv1 request Trans2 SESSION_SETUP, which no real client uses and by which this backdoor is commanded",
        source: "Countercept, doublepulsar-detection-script (2017); MS-CIFS 2.2.6 (reserved subcommand 0x000E)",
        techniques: &["T0866"],
        unless_learned: false,
        place: Place::Bytes(&[b"\xffSMB\x32"]),
        check: smb_session_setup,
    },
    Signature {
        id: "doublepulsar-answer",
        alert: "known-malware",
        malware: "DoublePulsar",
        sees: "the answer to Trans2 SESSION_SETUP with a multiplex id raised by 16: the backdoor is installed on the server",
        source: "Countercept, doublepulsar-detection-script (2017)",
        techniques: &["T0866", "T0867"],
        unless_learned: false,
        place: Place::Bytes(&[b"\xffSMB\x32\x02\x00\x00\xc0"]),
        check: smb_backdoor_answer,
    },
    Signature {
        id: "wannacry-kill-switch",
        alert: "known-malware",
        malware: "WannaCry",
        sees: "the domain name by which WannaCry decides whether to spread",
        source: "MalwareTech, How to Accidentally Stop a Global Cyber Attacks (2017); US-CERT TA17-132A",
        techniques: &["T0866", "T0867"],
        unless_learned: false,
        place: Place::Bytes(&[b"fsodp9ifjaposdfjhgosurijfaewrwergwea"]),
        check: any,
    },
    Signature {
        id: "wannacry-program",
        alert: "known-malware",
        malware: "WannaCry",
        sees: "text of the WannaCry program: its service name or the password of its archive",
        source: "US-CERT TA17-132A, Indicators Associated With WannaCry Ransomware",
        techniques: &["T0867"],
        unless_learned: false,
        place: Place::Bytes(&[b"mssecsvc.exe", b"WNcry@2ol7"]),
        check: any,
    },
    Signature {
        id: "wannacry-tree-connect",
        alert: "known-malware",
        malware: "WannaCry",
        sees: "an SMB path with an address that is built into WannaCry (192.168.56.20 or 172.16.99.5), whatever host it goes to",
        source: "McAfee Labs, Further Analysis of WannaCry Ransomware (2017)",
        techniques: &["T0866"],
        unless_learned: false,
        place: Place::Bytes(&[
            b"\\\\192.168.56.20\\IPC$",
            b"\\\\172.16.99.5\\IPC$",
            b"\\\x00\\\x001\x009\x002\x00.\x001\x006\x008\x00.\x005\x006\x00.\x002\x000\x00\\\x00I\x00P\x00C\x00$\x00",
            b"\\\x00\\\x001\x007\x002\x00.\x001\x006\x00.\x009\x009\x00.\x005\x00\\\x00I\x00P\x00C\x00$\x00",
        ]),
        check: any,
    },
    Signature {
        id: "industroyer-siprotec",
        alert: "known-malware",
        malware: "Industroyer (CRASHOVERRIDE)",
        sees: "the datagram of 18 bytes to UDP port 50000 that makes SIPROTEC protection relays stop answering (CVE-2015-5374)",
        source: "ESET, Win32/Industroyer (2017), tool for denial of service; Siemens SSA-732541",
        techniques: &["T0814"],
        unless_learned: false,
        place: Place::Datagram(50_000),
        check: siprotec,
    },
    Signature {
        id: "triton-implant",
        alert: "known-malware",
        malware: "Triton (TRISIS, HatMan)",
        sees: "the TriStation command 29 (MP status) with an order to the implant behind it: read memory, write memory or run",
        source: "CISA MAR-17-352-01 (HatMan); Mandiant, A Totally Tubular Treatise on TRITON and TriStation (2018)",
        techniques: &["T0857", "T0874"],
        unless_learned: false,
        place: Place::Datagram(1502),
        check: triton_implant,
    },
    Signature {
        id: "triton-tristation",
        alert: "known-malware",
        malware: "Triton (TRISIS, HatMan)",
        sees: "a TriStation command that changes the program or the mode of a Triconex safety controller, as Triton sends them, \
               from a device that is not known for it",
        source: "Mandiant, A Totally Tubular Treatise on TRITON and TriStation (2018)",
        techniques: &["T0843", "T0858"],
        unless_learned: true,
        place: Place::Datagram(1502),
        check: tristation_change,
    },
    Signature {
        id: "triton-program",
        alert: "known-malware",
        malware: "Triton (TRISIS, HatMan)",
        sees: "the name of a file of the Triton framework",
        source: "Mandiant, TRITON ICS Attack Framework (2017), YARA rule TRITON_ICS_FRAMEWORK",
        techniques: &["T0867"],
        unless_learned: false,
        place: Place::Bytes(&[b"TS_cnames.py", b"TsBase.pyc", b"trilog.exe"]),
        check: any,
    },
    Signature {
        id: "stuxnet-library",
        alert: "known-malware",
        malware: "Stuxnet",
        sees: "the name s7otbxsx.dll, to which Stuxnet renames the library of STEP 7 that it replaces",
        source: "Symantec, W32.Stuxnet Dossier 1.4 (2011)",
        techniques: &["T0867", "T0874"],
        unless_learned: false,
        place: Place::Bytes(&[b"s7otbxsx.dll"]),
        check: any,
    },
];

/// The first half of the test string. In one piece, this program would be reported by virus scanners.
const EICAR: &[u8] = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$";

fn any(_: &[u8]) -> bool {
    true
}

fn eicar(bytes: &[u8]) -> bool {
    bytes.get(EICAR.len()..).is_some_and(|rest| rest.starts_with(b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"))
}

fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// Offsets in an SMBv1 message (MS-CIFS 2.2.3): flags, multiplex id, count of words, first word.
const SMB_FLAGS: usize = 9;
const SMB_MULTIPLEX: usize = 30;
const SMB_WORDS: usize = 32;
const SMB_FIRST: usize = 33;

fn smb_is_answer(bytes: &[u8]) -> Option<bool> {
    Some(byte(bytes, SMB_FLAGS)? & 0x80 != 0)
}

/// SMB_COM_NT_TRANSACT (MS-CIFS 2.2.4.62.1): function 0, which is none, and more than 64 KiB in all.
fn smb_transaction(bytes: &[u8]) -> bool {
    let words = byte(bytes, SMB_WORDS);
    let total = le32(bytes, SMB_FIRST + 7);
    let function = le16(bytes, SMB_FIRST + 36);
    smb_is_answer(bytes) == Some(false)
        && words.is_some_and(|words| words >= 19)
        && total.is_some_and(|total| total > 0xffff)
        && function == Some(0)
}

/// SMB_COM_TRANSACTION2_SECONDARY (MS-CIFS 2.2.4.47.1): displacement and count of data beyond the total.
fn smb_secondary(bytes: &[u8]) -> bool {
    let total = le16(bytes, SMB_FIRST + 2);
    let count = le16(bytes, SMB_FIRST + 10);
    let displacement = le16(bytes, SMB_FIRST + 14);
    let (Some(total), Some(count), Some(displacement)) = (total, count, displacement) else { return false };
    smb_is_answer(bytes) == Some(false)
        && matches!(byte(bytes, SMB_WORDS), Some(8 | 9))
        && u32::from(displacement) + u32::from(count) > u32::from(total)
}

/// SMB_COM_TRANSACTION2 (MS-CIFS 2.2.4.46.1) with the subcommand TRANS2_SESSION_SETUP.
fn smb_session_setup(bytes: &[u8]) -> bool {
    smb_is_answer(bytes) == Some(false)
        && byte(bytes, SMB_WORDS).is_some_and(|words| words >= 15)
        && byte(bytes, SMB_FIRST + 26) == Some(1)
        && le16(bytes, SMB_FIRST + 28) == Some(0x000e)
}

/// STATUS_NOT_IMPLEMENTED with a multiplex id of 65 to 67 (as the known clients use) and 16.
fn smb_backdoor_answer(bytes: &[u8]) -> bool {
    smb_is_answer(bytes) == Some(true) && matches!(le16(bytes, SMB_MULTIPLEX), Some(81..=83))
}

fn siprotec(bytes: &[u8]) -> bool {
    bytes.len() == 18 && bytes.starts_with(&[0x11, 0x49]) && bytes.ends_with(&[0x28, 0x9e])
}

/// The command of a TriStation execution message.
fn tristation_command(bytes: &[u8]) -> Option<u8> {
    // Message type 5, a zero, the length in bytes.
    let length = usize::from(le16(bytes, 2)?);
    let fits = byte(bytes, 0)? == 5 && byte(bytes, 1)? == 0 && length >= 6 && length <= bytes.len();
    byte(bytes, 6).filter(|_| fits)
}

fn triton_implant(bytes: &[u8]) -> bool {
    let order = |at: usize| matches!((byte(bytes, at), byte(bytes, at + 1)), (Some(23 | 65 | 249), Some(0xff)));
    tristation_command(bytes) == Some(29) && (order(14) || order(12))
}

/// Download, run, halt and the like.
fn tristation_change(bytes: &[u8]) -> bool {
    matches!(tristation_command(bytes), Some(0 | 1 | 10 | 11 | 20 | 21 | 55 | 56 | 72 | 80))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn of(id: &str) -> &'static Signature {
        SIGNATURES.iter().find(|signature| signature.id == id).unwrap()
    }

    fn smb(command: u8, answer: bool, status: u32, multiplex: u16, words: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xff, b'S', b'M', b'B', command];
        bytes.extend(status.to_le_bytes());
        bytes.push(if answer { 0x98 } else { 0x18 });
        bytes.resize(SMB_MULTIPLEX, 0);
        bytes.extend(multiplex.to_le_bytes());
        bytes.extend(words);
        bytes
    }

    #[test]
    fn the_table_is_sound() {
        let ids: BTreeSet<_> = SIGNATURES.iter().map(|signature| signature.id).collect();
        assert_eq!(ids.len(), SIGNATURES.len());
        for signature in &SIGNATURES {
            assert!(["eicar", "known-malware"].contains(&signature.alert), "{}", signature.id);
            assert!(signature.sees.len() > 20 && signature.source.len() > 10, "{}", signature.id);
            assert!(!signature.techniques.is_empty(), "{}", signature.id);
            if let Place::Bytes(needles) = signature.place {
                assert!(!needles.is_empty());
                for needle in needles {
                    assert!((5..=CONTEXT).contains(&needle.len()), "{}", signature.id);
                }
            }
        }
    }

    #[test]
    fn the_test_string_is_recognised_whole_only() {
        let whole = [EICAR, b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"].concat();
        assert_eq!(whole.len(), 68);
        assert!((of("eicar").check)(&whole));
        assert!(!(of("eicar").check)(&whole[..67]));
    }

    #[test]
    fn exploits_of_smb_are_told_from_regular_requests() {
        let word = |n: u16| n.to_le_bytes();
        // A secondary of 4096 bytes in all: at 0, and beyond the end.
        let secondary = |displacement: u16| {
            let words = [0, 4096, 0, 0, 0, 4096, 53, displacement, 0].map(word).concat();
            smb(0x33, false, 0, 65, &[&[9][..], &words].concat())
        };
        assert!((of("eternalblue-overflow").check)(&secondary(976)));
        assert!(!(of("eternalblue-overflow").check)(&secondary(0)));
        let transaction = |total: u32, function: u16| {
            let mut words = vec![20, 1, 0, 0];
            words.extend([30, total, 30, 0, 30, 75, 976, 104].map(u32::to_le_bytes).concat());
            words.push(1);
            words.extend(word(function));
            smb(0xa0, false, 0, 65, &words)
        };
        assert!((of("eternalblue-transaction").check)(&transaction(66_512, 0)));
        assert!(!(of("eternalblue-transaction").check)(&transaction(66_512, 2)));
        assert!(!(of("eternalblue-transaction").check)(&transaction(1_000, 0)));
        let trans2 = |subcommand: u16| {
            let mut words = vec![15];
            words.extend([12, 0, 1, 0, 0, 0, 0, 0, 0, 12, 66, 0, 78].map(word).concat());
            words.extend([1, 0]);
            words.extend(word(subcommand));
            smb(0x32, false, 0, 65, &words)
        };
        assert!((of("doublepulsar-ping").check)(&trans2(14)));
        assert!(!(of("doublepulsar-ping").check)(&trans2(5)));
        let answer = |multiplex| smb(0x32, true, 0xc000_0002, multiplex, &[0]);
        assert!((of("doublepulsar-answer").check)(&answer(81)));
        assert!(!(of("doublepulsar-answer").check)(&answer(65)));
        for signature in &SIGNATURES {
            for n in 0..40 {
                let _ = (signature.check)(&answer(81)[..n.min(33)]);
            }
        }
    }

    #[test]
    fn datagrams_of_relays_and_safety_controllers() {
        let mut relay = [0; 18];
        (relay[0], relay[1], relay[16], relay[17]) = (0x11, 0x49, 0x28, 0x9e);
        assert!((of("industroyer-siprotec").check)(&relay));
        assert!(!(of("industroyer-siprotec").check)(&relay[..17]));
        let message = |command: u8, payload: &[u8]| {
            let mut bytes = vec![5, 0, 0, 0, 0, 0, command, 1, 0, 0, 0, 0, 0, 0];
            bytes.extend(payload);
            bytes.extend([0, 0]);
            bytes[2] = u8::try_from(bytes.len()).unwrap();
            bytes
        };
        assert!((of("triton-implant").check)(&message(29, &[23, 255, 4, 0, 0, 0])));
        assert!(!(of("triton-implant").check)(&message(29, &[])));
        assert!(!(of("triton-implant").check)(&message(19, &[23, 255])));
        assert!((of("triton-tristation").check)(&message(1, &[])));
        assert!(!(of("triton-tristation").check)(&message(19, &[])));
        assert!(!(of("triton-tristation").check)(&[6, 0, 0, 0]));
    }
}
