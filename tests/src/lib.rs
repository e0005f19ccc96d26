//! Parts that the end-to-end suite and the benchmark share: captures and stores made from a seed, and the sensor as a
//! command.

pub mod console;
pub mod evidence;
pub mod fleet;
pub mod frames;
pub mod http;
pub mod lab;
pub mod novelty;
pub mod plant;
pub mod scan;
pub mod sensor;
pub mod store;
pub mod wal;
