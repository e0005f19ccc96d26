//! S7comm-plus, the protocol of S7-1200 and S7-1500.
//!
//! A unit of user data passes [`wire`] (header, digest, trailer), [`session`] and [`fragment`] (units put together), [`body`] (what stands where in each function), [`object`] and [`value`] (objects, addresses and
//! typed values), [`meaning`] (which operation on what that is) and
//! [`exchange`] (which response answers which request), and ends in [`tell`] and [`line`]. [`found`] holds what the walk found, [`names`] and
//! [`ids`] what things are called, [`tls`] follows the connection after InitSsl, [`stream`] what crosses as a file.
//!
//! Siemens does not publish the protocol. What is read follows public research, held against captures of real controllers;
//! bytes that the walk does not understand are counted.

mod body;
mod exchange;
mod fields;
mod found;
mod fragment;
mod identity;
mod ids;
mod line;
mod meaning;
mod names;
mod object;
#[cfg(test)]
mod readme;
mod session;
mod stream;
mod tell;
mod tls;
mod value;
mod wire;

pub(crate) use fields::FIELDS;
pub(crate) use session::Plus;

/// Protocol id.
pub(crate) const ID: &str = "s7comm-plus";

/// Counter of requests given up because too many were open.
pub(crate) const REQUESTS_EVICTED: &str = "s7comm-plus-requests-evicted";
