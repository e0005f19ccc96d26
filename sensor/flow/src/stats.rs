//! What a person should see of the flow stage.

/// Declares the counters once: the struct, their names, and their sum.
macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident: $label:literal,)*) => {
        /// Counters of the flow stage. They only grow.
        ///
        /// Payload bytes of TCP, UDP and the frames without IP that are looked into end in exactly one place: decoded or skipped by a session, skipped with a reason
        /// of this stage, or counted as retransmitted.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct FlowStats {
            $($(#[$doc])* pub $name: u64,)*
            /// Bytes passed over, by reason.
            pub skipped: Named,
            /// Bytes decoded, by protocol id.
            pub decoded: Named,
            /// Messages decoded, by protocol id.
            pub messages: Named,
            /// Entries given up in full tables of sessions, by the counter id of the session.
            pub evicted: Named,
        }

        impl FlowStats {
            /// The plain counters with their names, in a fixed order.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$(($label, self.$name),)*].into_iter()
            }

            /// Adds the counters of another worker.
            pub fn add(&mut self, other: &Self) {
                $(self.$name = self.$name.saturating_add(other.$name);)*
                self.skipped.merge(&other.skipped);
                self.decoded.merge(&other.decoded);
                self.messages.merge(&other.messages);
                self.evicted.merge(&other.evicted);
            }
        }
    };
}

counters! {
    /// Packets that belong to a conversation, each once.
    packets: "packets",
    /// Their bytes on the wire.
    bytes: "bytes",
    /// TCP segments.
    tcp_segments: "tcp-segments",
    /// TCP segments seen twice because a port was mirrored twice.
    duplicates: "duplicates",
    /// TCP payload bytes, without doubles.
    tcp_payload: "tcp-payload-bytes",
    /// UDP payload bytes.
    udp_payload: "udp-payload-bytes",
    /// Payload bytes of frames without IP that tell of a device.
    frame_payload: "frame-payload-bytes",
    /// Segments sent again.
    retransmitted: "tcp-retransmitted",
    /// Their bytes.
    retransmitted_bytes: "tcp-retransmitted-bytes",
    /// Segments that came before their turn.
    out_of_order: "tcp-out-of-order",
    /// Segments far outside of what the receiver can accept.
    out_of_window: "tcp-out-of-window",
    /// Keep-alive probes.
    keep_alives: "tcp-keep-alives",
    /// Resets that do not fit the connection.
    resets_ignored: "tcp-resets-ignored",
    /// Connections that began before the capture.
    mid_stream: "tcp-mid-stream",
    /// Signatures of malware found.
    signatures: "signatures-found",
    /// Segments searched for signatures by themselves because too many streams were searched at a time.
    signature_streams_refused: "signature-streams-refused",
    /// Holes in streams.
    gaps: "gaps",
    /// Bytes missing in holes, as far as known.
    gap_bytes: "gap-bytes",
    /// Bytes cut off by the snap length (part of the gap bytes).
    cut_bytes: "cut-bytes",
    /// Segments that overlap others, with the same bytes.
    overlaps: "overlaps",
    /// Segments or fragments that overlap others, with other bytes.
    conflicts: "conflicts",
    /// Conversations begun.
    flows: "flows",
    /// Conversations ended early because the table was full.
    flows_evicted: "flows-evicted",
    /// Conversations in a confirmed OT protocol.
    sessions: "sessions",
    /// Conversations in a confirmed companion protocol (HTTP, DNS, SSH …).
    companions: "companion-sessions",
    /// Sessions given up because nothing in 64 KiB made sense.
    sessions_lost: "sessions-lost",
    /// Sessions that failed and are no longer decoded.
    sessions_quarantined: "sessions-quarantined",
    /// Activities told.
    activities: "activities",
    /// Folds told.
    folds: "folds",
    /// Activities that were folded.
    folded: "folded",
    /// Activities told whole because a fold cache was full.
    fold_full: "fold-cache-full",
    /// Buffers refused because a lane was at its limit.
    buffers_refused: "buffers-refused",
    /// ARP claims that could not be folded because a lane was at its limit.
    claims_full: "claims-full",
    /// Segments and datagrams with a broken transport header, or one cut by the snap length.
    transport_unusable: "transport-unusable",
    /// Times at which packet time jumped.
    time_jumps: "time-jumps",
}

/// Counters by name. Names are few.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named(Vec<(&'static str, u64)>);

impl Named {
    /// Adds to a counter.
    pub fn add(&mut self, name: &'static str, count: u64) {
        // Mostly it is the very same text: then its bytes need not be looked at.
        let place = self.0.iter().position(|(known, _)| std::ptr::eq(*known, name));
        let place = place.or_else(|| self.0.iter().position(|(known, _)| *known == name));
        match place.and_then(|at| self.0.get_mut(at)) {
            Some((_, sum)) => *sum = sum.saturating_add(count),
            None => {
                let at = self.0.partition_point(|(known, _)| *known < name);
                self.0.insert(at, (name, count));
            }
        }
    }

    /// The counter.
    pub fn get(&self, name: &str) -> u64 {
        self.0.iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count)
    }

    /// All counters, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().copied()
    }

    /// The sum of all.
    pub fn sum(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn merge(&mut self, other: &Self) {
        for (name, count) in other.iter() {
            self.add(name, count);
        }
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.drain(..)
    }
}
