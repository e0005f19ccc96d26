//! What a process that parses untrusted bytes may still do: as good as nothing, and no way back.
//!
//! Four walls, each of which holds where another one is missing:
//!
//! - **Capabilities**: none, in no set; new ones cannot be had (no new privileges). The bounding set is emptied where the
//!   process may do that; without it nothing is lost, since no program can be started.
//! - **Landlock**: files are written only below the folders of the plan, and read only there and below the other folders of
//!   the plan. No TCP port is opened; connections go to the ports of the plan. No signals to others. What the kernel is too
//!   old for is left out, and told.
//! - **A filter of system calls** refuses (`EPERM`) what the sensor never does and an intruder would begin with. It is a short
//!   list of what is refused, not a long one of what is allowed, so that a new version of the C library does not break a
//!   sensor; each entry says why ([`REFUSED`] and `conditions`).
//! - The **other process** has the packet sockets ([`super`]).
//!
//! All of it holds for threads that are started afterwards; there must be no others before.

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, NetPort,
    PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What the process needs from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Folders below which it writes, makes and removes files and folders.
    pub write: Vec<PathBuf>,
    /// Files in them that are written, where they exist already: those of the store.
    pub files: Vec<PathBuf>,
    /// Files, and folders below which it reads. What does not exist is left out.
    pub read: Vec<PathBuf>,
    /// The network.
    pub network: Network,
}

/// What the process needs of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Nothing: sockets of this machine (systemd) alone.
    #[default]
    None,
    /// Connections to these TCP ports, and UDP.
    Outbound(Vec<u16>),
}

/// What holds now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Whether files, as far as the plan says, and how much of the rest.
    pub files: Files,
    /// Whether system calls are filtered; else why not.
    pub filter: Result<(), String>,
    /// Capabilities that had to be kept: files of the plan belong to somebody else.
    pub kept: bool,
    plan: Plan,
}

/// How far access to files is restricted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// As the plan says.
    Whole,
    /// As the plan says, but an old kernel lets through what it does not know of (truncating, devices, TCP, signals).
    Partly,
    /// Not at all: the kernel has no Landlock, or it is switched off.
    Not,
}

impl Applied {
    /// Whether something is missing that a newer kernel would give.
    pub fn is_whole(&self) -> bool {
        self.files == Files::Whole && self.filter.is_ok() && !self.kept
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below: Vec<String> = self.plan.write.iter().map(|path| path.display().to_string()).collect();
        match self.files {
            Files::Whole | Files::Partly => write!(f, "sandbox: files are written only below {}", below.join(", "))?,
            Files::Not => write!(
                f,
                "sandbox: this kernel has no Landlock, or it is switched off (boot option lsm=): all files that the user may \
                 write can be written"
            )?,
        }
        if self.files == Files::Partly {
            write!(f, " (an old kernel: not all of Landlock)")?;
        }
        match self.filter {
            Ok(()) => write!(f, "; no other programs, no packet sockets")?,
            Err(ref why) => write!(f, "; system calls are not filtered ({why})")?,
        }
        match self.plan.network {
            Network::None if self.filter.is_ok() => write!(f, ", no network")?,
            Network::None => {}
            Network::Outbound(_) => write!(f, ", network only outwards, for forwarding")?,
        }
        if self.kept {
            write!(
                f,
                "; CAP_DAC_OVERRIDE is kept, since root does not own the files it needs: give them to one user, and run as that user"
            )?;
        }
        Ok(())
    }
}

/// The sandbox cannot be entered.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A thread that was started before would stay outside.
    #[error("internal error: {0} threads were started before the sandbox was entered; please report this")]
    Threads(usize),
    /// The system refuses something that it never should.
    #[error("the sandbox cannot be entered: {what}: {source}; --no-split runs without it")]
    System {
        /// What was asked for.
        what: &'static str,
        /// The error.
        source: io::Error,
    },
    /// A rule is refused.
    #[error("the sandbox cannot be entered: Landlock: {0}; --no-split runs without it")]
    Rules(#[from] RulesetError),
}

/// Enters the sandbox, for good.
///
/// # Errors
/// Where there are other threads, or the system refuses what it never should. What an old kernel does not have is no error.
pub fn enter(plan: &Plan) -> Result<Applied, SandboxError> {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads != 1 {
        return Err(SandboxError::Threads(threads));
    }
    set_no_new_privs(true).map_err(system("no new privileges"))?;
    let kept = drop_capabilities(plan)?;
    let files = restrict_files(plan)?;
    let filter = filter_calls(&plan.network);
    Ok(Applied { files, filter, kept, plan: plan.clone() })
}

fn system<E: Into<io::Error>>(what: &'static str) -> impl FnOnce(E) -> SandboxError {
    move |source| SandboxError::System { what, source: source.into() }
}

/// Gives up all capabilities, but for one where root needs it for files that are not its own. Whether it was kept.
fn drop_capabilities(plan: &Plan) -> Result<bool, SandboxError> {
    let now = capabilities(None).map_err(system("to see the capabilities"))?;
    if now.effective.contains(CapabilitySet::SETPCAP) {
        // The kernel says where there are no more.
        for capability in (0..64).map(|number| CapabilitySet::from_bits_retain(1 << number)) {
            if remove_capability_from_bounding_set(capability).is_err() {
                break;
            }
        }
    }
    clear_ambient_capability_set().map_err(system("to give up ambient capabilities"))?;
    let spare = now.permitted & CapabilitySet::DAC_OVERRIDE;
    let give_up = |permitted, effective| {
        let sets = CapabilitySets { permitted, effective, inheritable: CapabilitySet::empty() };
        set_capabilities(None, sets).map_err(system("to give up capabilities"))
    };
    give_up(spare, CapabilitySet::empty())?;
    let may = |path: &PathBuf, how: Access| match accessat(CWD, path, how, AtFlags::EACCESS) {
        Ok(()) | Err(Errno::NOENT) => true,
        Err(_) => false,
    };
    let (reads, writes) = (Access::READ_OK, Access::READ_OK | Access::WRITE_OK);
    let all = plan.write.iter().all(|path| may(path, writes | Access::EXEC_OK))
        && plan.files.iter().all(|path| may(path, writes))
        && plan.read.iter().all(|path| may(path, reads));
    let kept = !all && !spare.is_empty();
    let left = if kept { spare } else { CapabilitySet::empty() };
    give_up(left, left)?;
    Ok(kept)
}

/// The version of Landlock that was tried: newer ones restrict more, which nobody has looked at.
const ABI_TRIED: ABI = ABI::V6;

fn restrict_files(plan: &Plan) -> Result<Files, SandboxError> {
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let writing = reading
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI_TRIED))?
        .handle_access(AccessNet::from_all(ABI_TRIED))?
        .scope(scope())?
        .create()?;
    let paths = |paths: &[PathBuf], access: BitFlags<AccessFs>| -> Vec<(PathFd, BitFlags<AccessFs>)> {
        // Of a file what only a folder has is not asked for.
        let of = |path: &PathBuf| if path.is_dir() { access } else { access & AccessFs::from_file(ABI_TRIED) };
        paths.iter().filter_map(|path| Some((PathFd::new(path).ok()?, of(path)))).collect()
    };
    for (path, access) in paths(&plan.write, writing).into_iter().chain(paths(&plan.read, reading)) {
        rules = rules.add_rule(PathBeneath::new(path, access))?;
    }
    if let Network::Outbound(ports) = &plan.network {
        for port in ports {
            rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
        }
    }
    let status = rules.restrict_self()?;
    Ok(match (status.ruleset, status.landlock) {
        (_, LandlockStatus::NotEnabled | LandlockStatus::NotImplemented) | (RulesetStatus::NotEnforced, _) => {
            Files::Not
        }
        (RulesetStatus::FullyEnforced, _) => Files::Whole,
        (RulesetStatus::PartiallyEnforced, _) => Files::Partly,
    })
}

/// No signals to other processes; and no abstract sockets of others, unless systemd is spoken to by one.
fn scope() -> BitFlags<Scope> {
    let systemd = std::env::var_os("NOTIFY_SOCKET").is_some_and(|name| name.to_string_lossy().starts_with('@'));
    if systemd { Scope::Signal.into() } else { Scope::from_all(ABI_TRIED) }
}

/// System calls that are refused whatever is asked of them, and why.
pub const REFUSED: &[(i64, &str)] = &[
    (libc::SYS_execve, "starts another program"),
    (libc::SYS_execveat, "starts another program"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_fork, "makes a process that outlives this one"),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_vfork, "makes a process that outlives this one"),
    (libc::SYS_ptrace, "looks into other processes of the user"),
    (libc::SYS_process_vm_readv, "looks into other processes of the user"),
    (libc::SYS_process_vm_writev, "writes into other processes of the user"),
    (libc::SYS_pidfd_getfd, "takes a file of another process: the packet socket"),
    (libc::SYS_kill, "ends other processes; what a thread does to its own process is tgkill"),
    (libc::SYS_tkill, "ends other processes"),
    (libc::SYS_rt_sigqueueinfo, "ends other processes"),
    (libc::SYS_pidfd_send_signal, "ends other processes"),
    (libc::SYS_unshare, "makes a user namespace, in which one is root, and the kernel offers far more"),
    (libc::SYS_setns, "goes into another namespace"),
    (libc::SYS_mount, "changes what paths mean"),
    (libc::SYS_umount2, "changes what paths mean"),
    (libc::SYS_move_mount, "changes what paths mean"),
    (libc::SYS_open_tree, "changes what paths mean"),
    (libc::SYS_fsopen, "changes what paths mean"),
    (libc::SYS_mount_setattr, "changes what paths mean"),
    (libc::SYS_pivot_root, "changes what paths mean"),
    (libc::SYS_chroot, "changes what paths mean"),
    (libc::SYS_io_uring_setup, "does all others past this filter"),
    (libc::SYS_io_uring_enter, "does all others past this filter"),
    (libc::SYS_io_uring_register, "does all others past this filter"),
    (libc::SYS_bpf, "a large part of the kernel that the sensor has no use for, with many faults in its past"),
    (libc::SYS_perf_event_open, "the same"),
    (libc::SYS_userfaultfd, "the same: the tool to win races in the kernel"),
    (libc::SYS_add_key, "the same"),
    (libc::SYS_request_key, "the same"),
    (libc::SYS_keyctl, "the same"),
    (libc::SYS_listen, "lets others in"),
];

/// Those that are refused for some arguments only. Of several rules for a call each refuses by itself.
fn conditions(network: &Network) -> Result<Vec<(i64, Vec<SeccompCondition>)>, seccompiler::BackendError> {
    let number = |number: libc::c_int| u64::from(number.unsigned_abs());
    let of = |at: u8, is: Is, value: u64| SeccompCondition::new(at, Length::Dword, is, value);
    let kind = |kind: libc::c_int| of(1, Is::MaskedEq(0xf), number(kind));
    let not = |family: libc::c_int| of(0, Is::Ne, number(family));
    // Threads share what the process has; all else that clone makes is a process.
    let thread = number(libc::CLONE_THREAD);
    let own = u64::from(std::process::id());
    let mut rules = vec![
        (libc::SYS_clone, vec![of(0, Is::MaskedEq(thread), 0)?]),
        // Signals to other processes.
        (libc::SYS_tgkill, vec![of(0, Is::Ne, own)?]),
        (libc::SYS_rt_tgsigqueueinfo, vec![of(0, Is::Ne, own)?]),
        // Input typed at the terminal that the sensor was started from.
        (libc::SYS_ioctl, vec![of(1, Is::Eq, libc::TIOCSTI)?]),
        (libc::SYS_ioctl, vec![of(1, Is::Eq, libc::TIOCLINUX)?]),
        // Raw and packet sockets of whatever family, and the old way to a packet socket (SOCK_PACKET).
        (libc::SYS_socket, vec![kind(libc::SOCK_RAW)?, not(libc::AF_NETLINK)?]),
        (libc::SYS_socket, vec![kind(SOCK_PACKET)?]),
    ];
    match network {
        Network::None => rules.push((libc::SYS_socket, vec![not(libc::AF_UNIX)?])),
        Network::Outbound(_) => {
            // The C library asks by netlink which addresses this machine has when it looks up a name.
            let known = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];
            rules.push((libc::SYS_socket, known.map(not).into_iter().collect::<Result<_, _>>()?));
            // Sending by an interface of one's choice.
            for (level, option) in [
                (libc::SOL_SOCKET, libc::SO_BINDTODEVICE),
                (libc::SOL_SOCKET, SO_BINDTOIFINDEX),
                (libc::IPPROTO_IP, IP_UNICAST_IF),
                (libc::IPPROTO_IP, libc::IP_MULTICAST_IF),
                (libc::IPPROTO_IPV6, IPV6_UNICAST_IF),
                (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF),
            ] {
                rules.push((libc::SYS_setsockopt, vec![of(1, Is::Eq, number(level))?, of(2, Is::Eq, number(option))?]));
            }
        }
    }
    Ok(rules)
}

/// `SOCK_PACKET` (linux/net.h), `SO_BINDTOIFINDEX` (asm-generic/socket.h), `IP_UNICAST_IF` (linux/in.h), `IPV6_UNICAST_IF` (linux/in6.h).
const SOCK_PACKET: libc::c_int = 10;
const SO_BINDTOIFINDEX: libc::c_int = 62;
const IP_UNICAST_IF: libc::c_int = 50;
const IPV6_UNICAST_IF: libc::c_int = 76;

/// Filters system calls; else says why not.
fn filter_calls(network: &Network) -> Result<(), String> {
    let processor = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|_| format!("not known for processors of type {}", std::env::consts::ARCH))?;
    let text = |error: seccompiler::Error| error.to_string();
    let compile = |rules: BTreeMap<i64, Vec<SeccompRule>>, answer: libc::c_int| -> Result<BpfProgram, _> {
        let answer = SeccompAction::Errno(answer.unsigned_abs());
        SeccompFilter::new(rules, SeccompAction::Allow, answer, processor)?.try_into()
    };
    let programs = || -> Result<[BpfProgram; 2], seccompiler::BackendError> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|(call, _)| (*call, Vec::new())).collect();
        for (call, conditions) in conditions(network)? {
            rules.entry(call).or_default().push(SeccompRule::new(conditions)?);
        }
        // Its flags are in memory, where a filter cannot look: the C library then uses clone.
        let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        Ok([compile(rules, libc::EPERM)?, compile(clone3, libc::ENOSYS)?])
    };
    for program in programs().map_err(|error| error.to_string())? {
        seccompiler::apply_filter(&program).map_err(text)?;
    }
    #[cfg(target_arch = "x86_64")]
    seccompiler::apply_filter(&no_x32()).map_err(text)?;
    Ok(())
}

/// Refuses the second set of numbers that some kernels have for the same system calls (x32).
#[cfg(target_arch = "x86_64")]
fn no_x32() -> BpfProgram {
    const X32: u32 = 0x4000_0000;
    let step = |code: u32, jt: u8, jf: u8, k: u32| seccompiler::sock_filter {
        code: u16::try_from(code).unwrap_or(0),
        jt,
        jf,
        k,
    };
    vec![
        // The number of the call stands first.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, X32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs()),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

/// The folder of a file, as it is named and, where that leads elsewhere, as it is: what replaces the file there is read too.
pub fn folders_of(file: &Path) -> Vec<PathBuf> {
    let folder = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => path.to_owned(),
    };
    let named = folder(file);
    let real = std::fs::canonicalize(file).ok().map(|path| folder(&path));
    let same = real.as_ref().is_some_and(|real| std::fs::canonicalize(&named).is_ok_and(|named| named == *real));
    [Some(named), real.filter(|_| !same)].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_stays_outside() {
        // The tests of this program run in threads.
        assert!(matches!(enter(&Plan::default()), Err(SandboxError::Threads(2..))));
    }

    #[test]
    fn what_is_refused_says_why() {
        assert!(REFUSED.iter().all(|(_, why)| !why.is_empty()));
        let calls: std::collections::BTreeSet<i64> = REFUSED.iter().map(|(call, _)| *call).collect();
        assert_eq!(calls.len(), REFUSED.len(), "twice");
        for network in [Network::None, Network::Outbound(vec![514])] {
            let conditions = conditions(&network).unwrap();
            assert!(conditions.iter().all(|(call, _)| !calls.contains(call)), "a condition beside a refusal");
        }
    }

    #[test]
    fn folders_are_those_of_the_name_and_of_what_it_means() {
        let folder = tempfile::tempdir().unwrap();
        let folder = std::fs::canonicalize(folder.path()).unwrap();
        let file = folder.join("real").join("plant.db");
        std::fs::create_dir(folder.join("real")).unwrap();
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, folder.join("plant.db")).unwrap();
        assert_eq!(folders_of(&folder.join("plant.db")), [folder.clone(), folder.join("real")]);
        assert_eq!(folders_of(&file), [folder.join("real")]);
        assert_eq!(folders_of(Path::new("plant.db")), [PathBuf::from(".")]);
    }

    #[test]
    fn what_holds_is_one_line() {
        let plan = Plan { write: vec!["/var/lib/ot-sensor".into()], ..Plan::default() };
        let mut applied = Applied { files: Files::Whole, filter: Ok(()), kept: false, plan };
        assert_eq!(
            applied.to_string(),
            "sandbox: files are written only below /var/lib/ot-sensor; no other programs, no packet sockets, no network"
        );
        assert!(applied.is_whole());
        applied.files = Files::Not;
        assert!(applied.to_string().contains("no Landlock") && !applied.is_whole());
    }
}
