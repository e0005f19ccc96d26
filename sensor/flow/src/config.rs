//! Limits and times.

use ot_protocol::WatchCell;

/// Limits and times of the flow stage. All limits marked *a lane* hold for each of [`crate::LANES`] lanes, so that results
/// do not depend on the number of workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowConfig {
    /// Worker threads; 0 does everything on the caller's thread.
    pub workers: usize,
    /// Packets a batch. Results do not depend on it.
    pub batch_packets: usize,
    /// Open conversations, in all. Default 131,072.
    pub max_flows: usize,
    /// Bytes of out-of-order segments, unfinished messages, bytes kept for comparison and for identification, a lane.
    /// Default 2 MiB.
    pub lane_buffer_bytes: usize,
    /// Bytes of fold caches, a lane. Default 2 MiB.
    pub lane_fold_bytes: usize,
    /// Activities a session can fold. Default 256.
    pub session_slots: usize,
    /// Delivered bytes kept a direction, to compare retransmissions with. Default 2 KiB.
    pub compare_bytes: usize,
    /// Out-of-order segments held a direction. Default 64.
    pub held_segments: usize,
    /// Out-of-order bytes held a direction. Default 64 KiB.
    pub held_bytes: usize,
    /// Longest unfinished message held a direction, in bytes. Default 64 KiB.
    pub carry_bytes: usize,
    /// Seconds of packet time after which a hole in a stream is given up. Default 2.
    pub hole_seconds: u32,
    /// Seconds after which an unanswered attempt is forgotten. Default 30.
    pub idle_attempt: u32,
    /// Seconds after which an idle conversation over UDP or another connectionless protocol ends. Default 120.
    pub idle_datagram: u32,
    /// Seconds after which an idle TCP connection without an OT protocol ends. Default 600.
    pub idle_tcp: u32,
    /// Seconds after which an idle conversation in an OT protocol ends. Default 3600.
    pub idle_session: u32,
    /// Seconds for which a closed connection is remembered, so that late segments do not open it again. Default 10.
    pub linger: u32,
    /// Seconds between two counter updates of a conversation with traffic. Default 60.
    pub update: u32,
    /// What looks at messages and payload, where something does.
    pub watch: WatchCell,
    /// Limits of the link decoder.
    pub link: ot_link::LinkConfig,
}

impl Default for FlowConfig {
    fn default() -> Self {
        Self {
            workers: default_workers(),
            batch_packets: 2048,
            max_flows: 131_072,
            lane_buffer_bytes: 2 << 20,
            lane_fold_bytes: 2 << 20,
            session_slots: 256,
            compare_bytes: 2048,
            held_segments: 64,
            held_bytes: 64 << 10,
            carry_bytes: 64 << 10,
            hole_seconds: 2,
            idle_attempt: 30,
            idle_datagram: 120,
            idle_tcp: 600,
            idle_session: 3600,
            linger: 10,
            update: 60,
            watch: WatchCell::default(),
            link: ot_link::LinkConfig::default(),
        }
    }
}

/// One worker beside the reader and the consumer; more where there are cores for them.
fn default_workers() -> usize {
    match std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
        0 | 1 => 0,
        cores => (cores.saturating_sub(2)).clamp(1, 8),
    }
}
