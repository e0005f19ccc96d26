//! DNP3 (IEEE 1815-2012) over TCP and UDP.
