//! The options of a rule.

use super::application::Application;
use super::payload::Payload;
use super::split::{parts, split, unquote};
use super::{number, pcre};

/// How often within which time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Threshold {
    pub count: u64,
    pub seconds: u64,
    pub by: &'static str,
}

/// The options of a rule, as far as they are converted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub sid: Option<u64>,
    pub rev: Option<u64>,
    pub msg: String,
    pub classtype: Option<String>,
    pub priority: Option<u64>,
    pub references: Vec<String>,
    /// `client` or `server`.
    pub from: Option<&'static str>,
    pub payload: Payload,
    pub application: Application,
    pub threshold: Option<Threshold>,
    pub notes: Vec<String>,
}

/// What a rule says of itself, also where it cannot be converted.
pub(super) fn sid_and_msg(rule: &str) -> (Option<u64>, String) {
    let options = parts(rule).map(|(_, options)| options).unwrap_or_default();
    let (mut sid, mut msg) = (None, String::new());
    for option in split(&options, ';') {
        match option.split_once(':').map(|(key, value)| (key.trim(), value)) {
            Some(("sid", value)) => sid = number(value),
            Some(("msg", value)) => msg = text(value),
            _ => {}
        }
    }
    (sid, msg)
}

/// A text for people: one line, without control characters.
fn text(value: &str) -> String {
    let plain: String = unquote(value).chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    plain.trim().to_owned()
}

/// Options that say nothing about what to look for.
const NO_MATTER: [&str; 14] = [
    "metadata",
    "gid",
    "target",
    "fast_pattern",
    "rawbytes",
    "logto",
    "session",
    "tag",
    "noalert",
    "ttl",
    "tos",
    "id",
    "service",
    "rem",
];

impl Options {
    /// Reads them.
    pub fn parse(text_of_options: &str) -> Result<Self, String> {
        let mut options = Self::default();
        for option in split(text_of_options, ';') {
            let option = option.trim();
            if option.is_empty() {
                continue;
            }
            let (key, value) = option.split_once(':').map_or((option, ""), |(key, value)| (key.trim(), value.trim()));
            options.one(&key.to_ascii_lowercase(), value)?;
        }
        Ok(options)
    }

    fn one(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "sid" => self.sid = number(value),
            "rev" => self.rev = number(value),
            "msg" => self.msg = text(value),
            "classtype" => self.classtype = Some(text(value)),
            "priority" => self.priority = number(value),
            "reference" => self.references.push(text(&value.replacen(',', " ", 1))),
            "flow" => self.flow(value)?,
            "threshold" | "detection_filter" => self.threshold(key, value)?,
            "flags" => {
                self.notes.push("flags of TCP are not looked at: what carries payload has ACK, mostly PSH".to_owned())
            }
            "flowbits" => {
                if !value.starts_with("set") {
                    return Err(format!("flowbits:{value} asks what another rule saw before in the connection"));
                }
                self.notes.push("flowbits:set is left out: it is for other rules".to_owned());
            }
            "modbus" | "modbus_func" | "modbus_unit" | "modbus_data" | "dnp3_func" | "dnp3_ind" | "dnp3_obj"
            | "dnp3_data" | "dnp3_checksum" | "dnp3_cmd_fc" | "dnp3_cmd_ot" | "dnp3_resp_ot" | "dnp3_resp_ii" => {
                self.application.take(key, value, &mut self.payload)?;
            }
            "pcre" => pcre::take(value, &mut self.payload)?,
            key if NO_MATTER.contains(&key) => {}
            key => self.payload.take(key, value)?,
        }
        Ok(())
    }

    fn flow(&mut self, value: &str) -> Result<(), String> {
        for word in value.split(',').map(str::trim) {
            match word {
                "from_client" | "to_server" => self.from = Some("client"),
                "from_server" | "to_client" => self.from = Some("server"),
                "established" | "stateless" | "no_stream" | "only_stream" | "no_frag" | "only_frag" | "" => {}
                _ => return Err(format!("flow:{word} is not converted")),
            }
        }
        Ok(())
    }

    fn threshold(&mut self, key: &str, value: &str) -> Result<(), String> {
        let wrong = || format!("{key}:{value} is not understood");
        let (mut kind, mut by, mut count, mut seconds) = ("", "", None, None);
        for part in value.split(',') {
            match part.split_whitespace().collect::<Vec<_>>().as_slice() {
                ["type", word] => kind = *word,
                ["track", word] => by = *word,
                ["count", n] => count = number(n),
                ["seconds", n] => seconds = number(n),
                _ => return Err(wrong()),
            }
        }
        let (count, seconds) = (count.ok_or_else(wrong)?, seconds.ok_or_else(wrong)?);
        let by = match by {
            "by_src" => "source",
            "by_dst" => "destination",
            "by_both" => "pair",
            "by_rule" => "rule",
            _ => return Err(wrong()),
        };
        // detection_filter speaks after so many, threshold with the last of them.
        let count = if key == "detection_filter" { count.saturating_add(1) } else { count };
        match kind {
            "limit" => {
                self.notes.push("threshold type limit is left out: matches fold into one alert anyway".to_owned())
            }
            "threshold" | "both" | "" if count >= 2 => {
                if !(2..=10_000).contains(&count) || !(1..=31 * 86_400).contains(&seconds) {
                    return Err(format!("{key}: at most 10000 within 31 days can be counted"));
                }
                self.threshold = Some(Threshold { count, seconds, by });
            }
            "threshold" | "both" | "" => {}
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// Severity of the priority, else of the class.
    pub fn severity(&self) -> &'static str {
        let class = match self.classtype.as_deref() {
            Some(
                "attempted-admin"
                | "attempted-user"
                | "successful-admin"
                | "successful-user"
                | "trojan-activity"
                | "shellcode-detect"
                | "web-application-attack"
                | "policy-violation"
                | "unsuccessful-user",
            ) => Some(1),
            Some(
                "misc-activity"
                | "network-scan"
                | "not-suspicious"
                | "protocol-command-decode"
                | "string-detect"
                | "unknown"
                | "icmp-event",
            ) => Some(3),
            _ => None,
        };
        match self.priority.or(class) {
            Some(1) => "critical",
            Some(3) => "minor",
            Some(4..) => "warning",
            _ => "major",
        }
    }
}
