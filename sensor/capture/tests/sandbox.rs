//! The filter of system calls, call by call, where no safe library makes them. A program without the usual harness: the sandbox
//! takes only a process with one thread.

#![allow(unsafe_code)]

use libc::{c_long, syscall};
use ot_capture::split::sandbox::{Network, Plan, REFUSED, enter};
use std::io;

/// The error of a call, 0 where there is none.
fn error(answer: c_long) -> i32 {
    if answer == -1 { io::Error::last_os_error().raw_os_error().unwrap_or(0) } else { 0 }
}

fn main() {
    let own = std::process::id();
    // SAFETY: takes nothing.
    let parent = unsafe { libc::getppid() };
    // Outside, to know that the answers inside mean something: they are others.
    // SAFETY: these calls take numbers and null pointers, and do nothing with them.
    unsafe {
        assert_eq!(error(syscall(libc::SYS_tgkill, parent, parent, 0)), 0);
        assert_eq!(error(syscall(libc::SYS_execve, 0, 0, 0)), libc::EFAULT);
    }
    let applied = enter(&Plan { network: Network::Outbound(vec![514]), ..Plan::default() }).expect("the sandbox");
    println!("{applied}");
    if let Err(why) = applied.filter {
        println!("skipped: system calls are not filtered here: {why}");
        return;
    }
    for (call, why) in REFUSED {
        // SAFETY: refused before anything is done; where it is not, zeros and null pointers do no harm to memory.
        assert_eq!(error(unsafe { syscall(*call, 0, 0, 0, 0, 0, 0) }), libc::EPERM, "system call {call} ({why})");
    }
    // SAFETY: as above.
    unsafe {
        assert_eq!(error(syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0)), libc::EPERM, "a process");
        assert_eq!(error(syscall(libc::SYS_clone3, 0, 0)), libc::ENOSYS);
        assert_eq!(error(syscall(libc::SYS_tgkill, parent, parent, 0)), libc::EPERM, "a signal to others");
        assert_eq!(error(syscall(libc::SYS_tgkill, own, own, 0)), 0, "a signal to a thread of its own");
        assert_eq!(error(syscall(libc::SYS_ioctl, 0, libc::TIOCSTI, 0)), libc::EPERM, "typing at the terminal");
        // SOCK_PACKET.
        let packet = 10 | libc::SOCK_CLOEXEC;
        assert_eq!(error(syscall(libc::SYS_socket, libc::AF_INET, packet, 0)), libc::EPERM, "the old packet socket");
        // What the upper half of an argument holds does not matter to the kernel, nor to the filter.
        let high = 1_i64 << 32;
        let family = high | i64::from(libc::AF_PACKET);
        assert_eq!(error(syscall(libc::SYS_socket, family, libc::SOCK_RAW, 0)), libc::EPERM);
        #[cfg(target_arch = "x86_64")]
        assert_eq!(error(syscall(0x4000_0000 + libc::SYS_getpid)), libc::EPERM, "the other set of numbers");
    }
    let sum = std::thread::spawn(|| 40 + 2).join().expect("a thread");
    assert_eq!(sum, 42);
    println!("{} system calls are refused, and threads are made", REFUSED.len());
}
