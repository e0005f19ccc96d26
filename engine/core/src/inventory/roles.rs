//! Which role the evidence speaks for, and the Purdue level of a role.

use crate::context::{Said, Source};
use crate::model::{Role, RoleReason};

/// The reason of a role that the configuration sets.
const CONFIGURED: &str = "set in the configuration";
/// How the reason of a role that a person set begins.
const BY_PERSON: &str = "set by ";

/// The reason of a role that was said.
pub(super) fn reason(said: &Said) -> String {
    match said.source {
        Source::Person => format!("{BY_PERSON}{}", said.who),
        _ => CONFIGURED.to_owned(),
    }
}

/// Whether a person, or the configuration, set the role.
pub(super) fn is_set(reason: &RoleReason) -> bool {
    reason.reason == CONFIGURED || reason.reason.starts_with(BY_PERSON)
}

/// How much a role says of a device: with evidence for several, the highest wins, and among equals the first seen.
///
/// A gateway is a controller that answers for others, so it stands first. What answers field protocols stays a field
/// device even where it polls others. Who programs is an engineering station even where it also polls; who writes is
/// an HMI even where it also polls. Forwarding counts only where no OT role is known: an HMI with two network cards is
/// an HMI.
fn rank(role: Role) -> u8 {
    match role {
        Role::Gateway => 7,
        Role::Outstation | Role::Controller => 6,
        Role::EngineeringStation => 5,
        Role::Hmi => 4,
        Role::Master => 3,
        Role::SwitchOrRouter => 2,
        Role::Server => 1,
        Role::Unknown => 0,
    }
}

/// The role of a device with this evidence. What a person set wins over all.
pub(super) fn decide(reasons: &[RoleReason]) -> Role {
    if let Some(set) = reasons.iter().find(|reason| is_set(reason)) {
        return set.role;
    }
    let mut best = Role::Unknown;
    for reason in reasons {
        if rank(reason.role) > rank(best) {
            best = reason.role;
        }
    }
    best
}

/// Purdue level of a role (ISA-95 levels as used in IEC 62443-1-1): field devices 1 (basic control), HMI and masters 2
/// (supervisory control), engineering stations and servers 3 (operations). Others do not tell it by themselves.
pub(super) fn purdue(role: Role) -> Option<u8> {
    match role {
        Role::Controller | Role::Outstation | Role::Gateway => Some(1),
        Role::Hmi | Role::Master => Some(2),
        Role::EngineeringStation | Role::Server => Some(3),
        Role::SwitchOrRouter | Role::Unknown => None,
    }
}
