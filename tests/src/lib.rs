//! Parts that the end-to-end suite and the benchmark share: captures made from a seed.

pub mod frames;
pub mod plant;
pub mod scan;
