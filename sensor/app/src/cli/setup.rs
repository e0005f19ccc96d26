//! What is given to `setup`.

use super::PasswordArgs;
use crate::config::{check_id, network_of};
use crate::when::span;
use clap::Args;
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::PathBuf;

/// `setup`.
#[derive(Args, Clone, Debug)]
pub struct SetupArgs {
    /// Ask nothing: what is not given stays at its default
    #[arg(long, requires = "interfaces")]
    pub unattended: bool,
    /// Interface at the mirror port; may be given several times
    #[arg(long = "interface", short, value_name = "NAME")]
    pub interfaces: Vec<String>,
    /// Id of the sensor, which enters the ids of alerts [default: the name of this machine]
    #[arg(long, value_name = "ID", value_parser = check_id)]
    pub id: Option<String>,
    /// Site that the sensor stands in
    #[arg(long, value_name = "NAME")]
    pub site: Option<String>,
    /// Network that is OT; may be given several times [default: the /24 of each device that speaks an OT protocol]
    #[arg(long = "ot-subnet", value_name = "NETWORK", value_parser = network)]
    pub ot_subnets: Vec<IpNet>,
    /// Zone of the plant with its networks; may be given several times
    #[arg(long = "zone", value_name = "NAME=NETWORK,…", value_parser = zone)]
    pub zones: Vec<ZoneArg>,
    /// How long to learn what is normal (12h, 7d) [default: 7d]
    #[arg(long, value_name = "SPAN", value_parser = span_text)]
    pub learn_for: Option<String>,
    /// Address and port of the console [default: 0.0.0.0:8443, every interface with an address]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// First administrator of the console
    #[arg(long, value_name = "NAME")]
    pub admin: Option<String>,
    /// The administrator's password.
    #[command(flatten)]
    pub password: PasswordArgs,
    /// The store [default: /var/lib/ot-sensor/ot-sensor.db]
    #[arg(long, value_name = "PATH")]
    pub store: Option<PathBuf>,
    /// Configuration file to write [default: /etc/ot-sensor/ot-sensor.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Write the configuration anew where there is one
    #[arg(long)]
    pub force: bool,
}

/// A zone and its networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneArg {
    /// Its name.
    pub name: String,
    /// Its networks.
    pub networks: Vec<IpNet>,
}

/// A network, or an address as one.
pub fn network(text: &str) -> Result<IpNet, String> {
    network_of(text).ok_or_else(|| format!("{text:?} is no network; write 10.0.0.0/24"))
}

/// `Cell 1=10.0.0.0/25,10.0.1.0/24`.
pub fn zone(text: &str) -> Result<ZoneArg, String> {
    let parted = text.split_once('=').map(|(name, networks)| (name.trim(), networks));
    let Some((name, networks)) = parted.filter(|(name, _)| !name.is_empty()) else {
        return Err(format!("{text:?} is no zone; write NAME=10.0.0.0/24,10.0.1.0/24"));
    };
    let networks = networks.split(',').map(|part| network(part.trim())).collect::<Result<_, _>>()?;
    Ok(ZoneArg { name: name.to_owned(), networks })
}

/// A span, as it was written.
pub fn span_text(text: &str) -> Result<String, String> {
    span(text).map(|_| text.trim().to_owned())
}
