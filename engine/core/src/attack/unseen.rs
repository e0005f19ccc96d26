//! Techniques that nothing here tells of, and why: what a mirror port cannot show, and what it shows without a difference.

/// By technique, sorted by id. One that alert types tell of by now may still stand here: its reason is not shown.
pub(super) static UNSEEN: [(&str, &str); 45] = [
    (
        "T0805",
        "The serial line behind a gateway is not on the mirrored network; that devices behind it fall silent is told as device-unresponsive.",
    ),
    ("T0807", "Commands are typed on a host or within an encrypted session; the network shows the session alone."),
    (
        "T0811",
        "Reading a file share or a wiki of drawings looks like work on it; what is confidential is not on the wire.",
    ),
    (
        "T0813",
        "An effect on the operator: commands no longer take effect. Its causes are told (denial-of-service, device-unresponsive, adversary-in-the-middle).",
    ),
    (
        "T0815",
        "An effect on the operator: the display no longer follows the plant. Its causes are told (denial-of-service, device-unresponsive, reporting-disabled).",
    ),
    (
        "T0817",
        "The exploit runs in a browser, and the page comes encrypted; the contact with the internet is what the network shows.",
    ),
    (
        "T0819",
        "It happens at the edge, between the internet and the exposed service, usually encrypted and outside the mirrored plant network.",
    ),
    (
        "T0820",
        "The fault exploited is within the controller; the bytes that do it are told only where they are malformed.",
    ),
    (
        "T0822",
        "The session from outside ends at the VPN or jump host, encrypted; inside, it looks like that host at work.",
    ),
    ("T0823", "Clicks on an HMI stay on the HMI; the writes that follow are told, but look like the operator's."),
    ("T0827", "A consequence in the plant; the alerts of its causes come before it."),
    ("T0828", "A consequence for the business; it is not on the network."),
    ("T0829", "A consequence for the operator; the alerts of its causes come before it."),
    (
        "T0832",
        "What is shown to the operator is changed on the HMI or between it and the controller; the latter is told as an adversary in the middle.",
    ),
    ("T0834", "Calls within a host or controller do not cross the network."),
    (
        "T0837",
        "A consequence in the plant: whether a protection would still act is not on the network. Changes to its controller are told.",
    ),
    (
        "T0838",
        "Limits of alarms are usual registers and variables to the protocol; the write is told, that it is an alarm limit is known to the site alone.",
    ),
    (
        "T0839",
        "A module's firmware goes over the backplane or in a vendor's own encapsulation; a changed version is told where the module names it.",
    ),
    ("T0840", "Lists of connections are read on the host itself (netstat, route); nothing is sent."),
    ("T0842", "Listening sends nothing. Only the redirection of traffic for it is told (arp-spoofing)."),
    ("T0847", "Removable media go from hand to hand; what the malware does on the network afterwards is told."),
    ("T0851", "A rootkit hides within the controller or host; what it answers to reads looks right."),
    ("T0852", "The picture is taken on the host, and leaves it encrypted or within another session."),
    ("T0853", "Scripts run within a host; their traffic is told for what it does, not for what wrote it."),
    ("T0860", "Radio is not on the mirrored network; a device that comes in by it is told as not learned."),
    (
        "T0862",
        "The product was changed before it was delivered; a difference in firmware or behaviour is told only against what was learned.",
    ),
    ("T0863", "A person opens a file on a host; nothing of it is on the network."),
    ("T0865", "Mail reaches the office network, encrypted; the plant network does not carry it."),
    (
        "T0871",
        "Calls of an interface within a host or controller do not cross the network, and those that do look like the vendor's tool.",
    ),
    ("T0872", "Logs are deleted on the host."),
    (
        "T0873",
        "The project file is changed on the engineering station; the download of it is told as a changed program.",
    ),
    ("T0874", "It changes functions within a host's memory."),
    (
        "T0877",
        "The image is read within the controller's memory; over the network it looks like polling, and a scan of points is told as such.",
    ),
    ("T0879", "A consequence in the plant; it is not on the network."),
    ("T0880", "A consequence in the plant; the alerts of its causes come before it."),
    (
        "T0882",
        "Reading drawings or recipes looks like work on them; uploads of programs and transfers of files are told under their own techniques.",
    ),
    (
        "T0883",
        "Whether a device answers to the internet is seen from the internet; the plant network shows only the contacts that come through.",
    ),
    ("T0884", "A proxy's two connections belong together only by what is in them, which is encrypted."),
    (
        "T0886",
        "Remote desktops and shells are usual between stations; which of them is misused is not in the encrypted session.",
    ),
    ("T0887", "Listening to radio sends nothing, and radio is not on the mirrored network."),
    ("T0890", "It happens within a host or controller that the attacker is on already."),
    (
        "T0891",
        "A built-in password is a valid one; that it is built in shows only where it is sent in clear text and known.",
    ),
    ("T0892", "Passwords are changed within an authenticated session; that the change is not wanted is not in it."),
    ("T0894", "A system's own program is called within a host."),
    ("T0895", "A controller starts from the media in its slot; nothing of it is on the network."),
];
