//! S7comm and S7comm-plus messages: against the baseline, against the specification, and as the controller answers them.

use super::{AlertType, AlertTypeId, EngineKind, Part, Severity, Techniques};

pub(super) const S7_BAD_HEADER: AlertType = AlertType {
    number: AlertTypeId::S7_BAD_HEADER,
    id: "s7-bad-header",
    title: "S7 header violates the specification",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0866"]),
    protocols: &["s7comm", "s7comm-plus"],
    sees: "An S7 message has a TPKT version or length, a COTP type, a protocol id, a message type or lengths of its \
        parts that the protocol does not define.",
    why_it_matters: "TIA Portal, STEP 7, WinCC and the usual drivers build their headers alike and without fault. A wrong \
        one comes from home-made software or from a tool that looks for weaknesses, and some older CPUs and \
        communication processors stop or drop their connections when they meet one.",
    evidence: "The sender, the layer and byte offset, what was expected and what stood there, the function as far as it \
        could be read, and the frame.",
    false_alarms: "Frames that the mirror port cut or lost, a vendor's own addition to the protocol, or another protocol \
        on port 102. The first shows in the sensor's health, the others come again and again from the same device.",
    remediation: &[
        "Look at the health of the sensor for cut frames and gaps at that time before anything else.",
        "Check the mode and the diagnostic buffer of the CPU, and whether its HMI connections still work.",
        "Find out which program on the sending device talks to port 102 of the controller.",
        "If that device is neither an engineering station nor an HMI, disconnect it and have it examined.",
        "Compare the firmware of CPU and communication processor with the vendor's security advisories.",
        "If a known product sends it by design, mute the alert for this pair and tell its vendor.",
    ],
};

pub(super) const S7_ERROR_RESPONSE: AlertType = AlertType {
    number: AlertTypeId::S7_ERROR_RESPONSE,
    id: "s7-error-response",
    title: "S7 controller rejected a job",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Minor,
    default_on: false,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0855"]),
    protocols: &["s7comm"],
    sees: "A controller answers an S7 job with an error class other than 0, or one of its items with another return \
        code than success.",
    why_it_matters: "A project that fits the controller asks for nothing that it refuses. A refusal shows a wrong address, \
        a missing data block, a protected function, or somebody who tries what the CPU lets through.",
    evidence: "Client and CPU, the job with its area, data block and address, the error class and code or the return \
        code of the item, each with its meaning, and the frames.",
    false_alarms: "An HMI project that is older than the program in the CPU, or tools that ask each CPU for lists that only \
        some of them have. The same item then fails at each poll, or only while somebody is online.",
    remediation: &[
        "Read the meaning of the code: a missing object speaks for a changed program, a refused access for the \
            protection level or the key switch.",
        "Check in STEP 7 or TIA Portal whether the data block exists and is long enough, and whether it is optimised.",
        "Ask the engineer of the client whether its tags were changed or the program was loaded again.",
        "If the client is unknown or the refused job would have changed something, look at its other alerts first.",
        "If it is a known fault of a project, correct the tag there, or mute the alert for this pair.",
    ],
};

pub(super) const S7_RESPONSE_MISMATCH: AlertType = AlertType {
    number: AlertTypeId::S7_RESPONSE_MISMATCH,
    id: "s7-response-mismatch",
    title: "S7 answer does not match its job",
    engine: EngineKind::ProtocolViolation,
    category: "illegal-commands",
    severity: Severity::Major,
    default_on: true,
    learnable: false,
    needs_baseline: false,
    aggregate_by: &[Part::Client, Part::Server],
    threshold: None,
    techniques: Techniques::Fixed(&["T0856", "T0830"]),
    protocols: &["s7comm"],
    sees: "An S7 acknowledgement has a PDU reference that no open job has, or another function or number of items \
        than its job.",
    why_it_matters: "A CPU answers each job once and with the same function. An answer that fits nothing may be injected to \
        show the operator false values, and whoever can do that sits between the HMI and the controller.",
    evidence: "The answering device, the reference and function asked and answered, the time between them, and the \
        frames.",
    false_alarms: "Jobs that the sensor did not see because packets were lost or only one direction is mirrored, and \
        answers that come after the time-out of a slow CPU. Losses show in the sensor's health.",
    remediation: &[
        "Check in the health of the sensor that both directions are seen without loss.",
        "Look for alerts about ARP spoofing or address conflicts of either device at the same time.",
        "Compare the values on the HMI with those in an online view of the controller or at the field device.",
        "If values differ, have the section run by hand and look for the computer that holds the address of the CPU.",
        "If the CPU is merely slow, look at its cycle load and its number of connections, and raise the time-out of \
            the client.",
    ],
};
