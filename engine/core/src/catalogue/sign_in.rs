//! Credentials presented to devices: readable on the way, never changed, refused, repeated, guessed.

use super::{AlertType, AlertTypeId, EngineKind, Part, Severity, Techniques, Threshold};

pub(super) const CLEAR_TEXT_SIGN_IN: AlertType = AlertType {
    number: AlertTypeId::CLEAR_TEXT_SIGN_IN,
    id: "clear-text-sign-in",
    title: "Sign-in over a clear-text protocol",
    engine: EngineKind::PolicyViolation,
    category: "authentication",
    severity: Severity::Minor,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0859"]),
    protocols: &["http", "ftp", "telnet"],
    sees: "A user name and a password are sent to a device by HTTP, FTP or Telnet, readable for anyone on the way.",
    why_it_matters: "Whoever records one such sign-in can use it: at this device, and at each other that has the same \
        password. Many plants have one password for all controllers.",
    evidence: "Both devices, the protocol with its port, the name of the user and what the server answered. The \
        password is looked at and forgotten: it is in no field and no log. The packets kept as evidence hold it as it \
        crossed the network; treat them so.",
    false_alarms: "Devices that know nothing else, such as the web page of an old controller. The sign-in is as \
        readable for all that; learn the alert once the path is protected otherwise.",
    remediation: &[
        "Turn on HTTPS, SFTP or SSH at the device if it has them, and turn the clear-text service off.",
        "If the device has nothing else, let only the engineering network reach that port.",
        "Change the password if the sign-in crossed a network that others can listen to, and wherever it is used again.",
        "Ask the user named whether it was them, if nobody was expected to work on the device.",
        "If the service is needed and its path is protected, learn the alert.",
    ],
};

pub(super) const DEFAULT_CREDENTIALS: AlertType = AlertType {
    number: AlertTypeId::DEFAULT_CREDENTIALS,
    id: "default-credentials",
    title: "Sign-in with factory default credentials",
    engine: EngineKind::PolicyViolation,
    category: "authentication",
    severity: Severity::Critical,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0812", "T0891"]),
    protocols: &["http", "ftp", "telnet", "snmp", "s7comm"],
    sees: "A name and password, or an SNMP community, that a vendor published as factory default are presented to a device.",
    why_it_matters: "Factory defaults stand in manuals that anyone can read, and are what malware tries first. A device \
        that takes them is open to everyone who reaches it.",
    evidence: "Both devices, the protocol with its port, the name of the user, the products whose default it is, and \
        whether the device accepted it. The password itself is in no field and no log; the packets kept as evidence \
        hold it as it crossed the network.",
    false_alarms: "A device that is being commissioned, or network management that reads with the usual community. A \
        refused sign-in shows that the default was changed, and that somebody tried it.",
    remediation: &[
        "See in the alert whether the device accepted it; if it did, set a password of its own at once.",
        "For SNMP, set a community of your own or go to version 3, and allow only the management station.",
        "Find out who sits at the client: an engineer who commissions, or nobody you know.",
        "Look for what was done after the sign-in: configuration, programs, files.",
        "If no change is possible at the device, let only the engineering network reach it, and mute the alert for the two.",
    ],
};

pub(super) const SIGN_IN_FAILED: AlertType = AlertType {
    number: AlertTypeId::SIGN_IN_FAILED,
    id: "sign-in-failed",
    title: "Sign-in refused",
    engine: EngineKind::PolicyViolation,
    category: "authentication",
    severity: Severity::Major,
    default_on: true,
    learnable: true,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: Some(Threshold { count: 2, seconds: 300 }),
    techniques: Techniques::Fixed(&["T0859", "T0812"]),
    protocols: &["http", "ftp", "telnet", "snmp", "vnc", "s7comm", "dnp3"],
    sees: "A device refuses a sign-in more than once within minutes.",
    why_it_matters: "Somebody does not have the right credentials. It may be a typing error, an old password in a \
        program, or somebody who tries.",
    evidence: "The device that signs in, the device that refuses, the function with the reason where the protocol \
        gives one, and the number of refusals.",
    false_alarms: "A changed password that a backup or visualisation program does not know yet. It fails at fixed \
        intervals from the change on.",
    remediation: &[
        "Ask the user of the signing device whether they mistyped or do not know the password.",
        "If a program signs in, correct its stored password.",
        "Look for a successful sign-in after the refused ones, and for what was done then.",
        "If nobody knows of it, disconnect the signing device and change the password of the refusing one.",
        "If the refusals are known and harmless, learn the alert.",
    ],
};

pub(super) const LOGIN_ATTEMPTS: AlertType = AlertType {
    number: AlertTypeId::LOGIN_ATTEMPTS,
    id: "login-attempts",
    title: "Excessive sign-in attempts",
    engine: EngineKind::Anomaly,
    category: "authentication",
    severity: Severity::Critical,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: Some(Threshold { count: 20, seconds: 60 }),
    techniques: Techniques::Fixed(&["T0859", "T0812"]),
    protocols: &[],
    sees: "One device signs in to another far more often within a minute than a person or a program does.",
    why_it_matters: "Sign-ins in such numbers come from a program that tries, or from one that fails and repeats \
        without a pause; the second can lock the device for its real users.",
    evidence: "Both devices, the number of sign-ins within the window, the function, and how the last one ended.",
    false_alarms: "Software that signs in anew for each request. It then does so day and night and succeeds.",
    remediation: &[
        "See whether the sign-ins succeed; if they do, it is mostly badly made software.",
        "Find the program on the signing device and stop it or give it the right credentials.",
        "Check whether the users of the device can still sign in.",
        "If no known program does it, disconnect the signing device and have it examined.",
        "If the software cannot be changed, mute the alert for the two.",
    ],
};

pub(super) const PASSWORD_GUESSING: AlertType = AlertType {
    number: AlertTypeId::PASSWORD_GUESSING,
    id: "password-guessing",
    title: "Password guessing",
    engine: EngineKind::Anomaly,
    category: "authentication",
    severity: Severity::Critical,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: Some(Threshold { count: 100, seconds: 60 }),
    techniques: Techniques::Fixed(&["T0812", "T0859"]),
    protocols: &[],
    sees: "One device presents credentials to another so fast that only a guessing program can do it.",
    why_it_matters: "At this pace all common passwords are tried within minutes. Once one fits, the device can be \
        stopped or programmed.",
    evidence: "Both devices, the number of tries within the window, the function, how many were refused, and how \
        the last one ended.",
    false_alarms: "Hardly any: a security test that was agreed on, or a program that repeats a wrong password \
        without a pause. A test has a date and a contact.",
    remediation: &[
        "Disconnect the signing device at once unless a test is agreed on.",
        "Check whether one of the tries succeeded, and treat the device as taken over if so.",
        "Change the password of the attacked device, from another computer.",
        "Look for commands, program or configuration writes after the tries.",
        "Restrict in the firewall who may reach the attacked device.",
    ],
};
