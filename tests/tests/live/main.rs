//! The sensor on a mirror port: real stacks behind a switch in network namespaces, attacks while it looks, and what happens
//! to it. Needs root; what is not possible here is skipped with a line that says why.

mod attacks;
mod bench;
mod doctor;
mod interfaces;
mod overload;
mod reload;
mod split;
mod store;
mod traffic;
