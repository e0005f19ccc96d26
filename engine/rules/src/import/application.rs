//! The keywords for Modbus and DNP3, as conditions on our fields.

use super::number;
use super::payload::Payload;

/// What a rule asks of the protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Application {
    /// Its id.
    pub protocol: Option<&'static str>,
    /// Conditions that must all hold.
    pub conditions: Vec<String>,
    /// Who sends what the keyword looks at.
    pub from: Option<&'static str>,
    /// What to know.
    pub notes: Vec<String>,
}

/// Functions of Modbus by their names in Snort.
const MODBUS_FUNCTIONS: [(&str, u8); 19] = [
    ("read_coils", 1),
    ("read_discrete_inputs", 2),
    ("read_holding_registers", 3),
    ("read_input_registers", 4),
    ("write_single_coil", 5),
    ("write_single_register", 6),
    ("read_exception_status", 7),
    ("diagnostics", 8),
    ("get_comm_event_counter", 11),
    ("get_comm_event_log", 12),
    ("write_multiple_coils", 15),
    ("write_multiple_registers", 16),
    ("report_slave_id", 17),
    ("read_file_record", 20),
    ("write_file_record", 21),
    ("mask_write_register", 22),
    ("read_write_multiple_registers", 23),
    ("read_fifo_queue", 24),
    ("encapsulated_interface_transport", 43),
];

/// Groups of function codes of Suricata, in the notation of our lists.
const MODBUS_GROUPS: [(&str, &str); 5] = [
    ("public", "1..8, 11, 12, 15..17, 20..24, 43"),
    ("assigned", "1..8, 11, 12, 15..17, 20..24, 43, 65..72, 100..110"),
    ("unassigned", "0, 9, 10, 13, 14, 18, 19, 25..42, 44..64, 73..99, 111..127"),
    ("user", "65..72, 100..110"),
    ("reserved", "9, 10, 13, 14, 41, 42, 90, 91, 125..127"),
];

/// Functions of DNP3 by their names in Snort and Suricata.
const DNP3_FUNCTIONS: [(&str, u8); 36] = [
    ("confirm", 0),
    ("read", 1),
    ("write", 2),
    ("select", 3),
    ("operate", 4),
    ("direct_operate", 5),
    ("direct_operate_nr", 6),
    ("immed_freeze", 7),
    ("immed_freeze_nr", 8),
    ("freeze_clear", 9),
    ("freeze_clear_nr", 10),
    ("freeze_at_time", 11),
    ("freeze_at_time_nr", 12),
    ("cold_restart", 13),
    ("warm_restart", 14),
    ("initialize_data", 15),
    ("initialize_appl", 16),
    ("start_appl", 17),
    ("stop_appl", 18),
    ("save_config", 19),
    ("enable_unsolicited", 20),
    ("disable_unsolicited", 21),
    ("assign_class", 22),
    ("delay_measure", 23),
    ("record_current_time", 24),
    ("open_file", 25),
    ("close_file", 26),
    ("delete_file", 27),
    ("get_file_info", 28),
    ("authenticate_file", 29),
    ("abort_file", 30),
    ("activate_config", 31),
    ("authenticate_req", 32),
    ("authenticate_err", 33),
    ("response", 129),
    ("unsolicited_response", 130),
];

/// Internal indications by their names in Snort and Suricata, as bits of `dnp3.al.iin`.
const INDICATIONS: [(&str, u16); 16] = [
    ("all_stations", 0x0100),
    ("class_1_events", 0x0200),
    ("class_2_events", 0x0400),
    ("class_3_events", 0x0800),
    ("need_time", 0x1000),
    ("local_control", 0x2000),
    ("device_trouble", 0x4000),
    ("device_restart", 0x8000),
    ("no_func_code_support", 0x0001),
    ("object_unknown", 0x0002),
    ("parameter_error", 0x0004),
    ("event_buffer_overflow", 0x0008),
    ("already_executing", 0x0010),
    ("config_corrupt", 0x0020),
    ("reserved_2", 0x0040),
    ("reserved_1", 0x0080),
];

/// First byte of the data of a Modbus message: behind header and function code.
const MODBUS_DATA: i64 = 8;
/// First byte of an application fragment of DNP3: behind link header and transport octet; and the end of its first block.
const DNP3_DATA: i64 = 11;
const DNP3_BLOCK: i64 = 26;

impl Application {
    fn of(&mut self, protocol: &'static str) -> Result<(), String> {
        match self.protocol.replace(protocol) {
            Some(other) if other != protocol => Err(format!("it asks for {other} and {protocol} at once")),
            _ => Ok(()),
        }
    }

    fn push(&mut self, condition: String) {
        self.conditions.push(condition);
    }

    /// Takes a keyword.
    pub fn take(&mut self, key: &str, value: &str, payload: &mut Payload) -> Result<(), String> {
        let value = value.trim().trim_matches('"').trim().to_ascii_lowercase();
        let wrong = || format!("{key}:{value} is not understood");
        let named = |known: &[(&str, u8)]| {
            number(&value)
                .and_then(|code| u8::try_from(code).ok())
                .or_else(|| known.iter().find(|(name, _)| *name == value).map(|(_, code)| *code))
                .ok_or_else(wrong)
        };
        self.of(if key.starts_with("modbus") { "modbus" } else { "dnp3" })?;
        match key {
            "modbus" => self.modbus(&value)?,
            "modbus_func" => self.push(format!("modbus.func_code == {}", named(&MODBUS_FUNCTIONS)?)),
            "modbus_unit" => self.push(format!("mbtcp.unit_id == {}", named(&[])?)),
            "modbus_data" => payload.base = MODBUS_DATA,
            "dnp3_func" => self.push(format!("dnp3.al.func == {}", named(&DNP3_FUNCTIONS)?)),
            "dnp3_cmd_fc" => {
                self.from = Some("client");
                self.push(format!("dnp3.al.func == {}", named(&DNP3_FUNCTIONS)?));
            }
            "dnp3_ind" | "dnp3_resp_ii" => {
                let mut mask = 0;
                for word in value.split(',').map(str::trim) {
                    let word = match word {
                        "unknown_object" => "object_unknown",
                        "unknown_func" => "no_func_code_support",
                        word => word,
                    };
                    mask |= INDICATIONS.iter().find(|(name, _)| *name == word).ok_or_else(wrong)?.1;
                }
                self.push(format!("dnp3.al.iin & {mask:#06x}"));
            }
            "dnp3_obj" => {
                let (group, variation) = value.split_once(',').ok_or_else(wrong)?;
                let byte = |text: &str| number(text).and_then(|n| u8::try_from(n).ok()).ok_or_else(wrong);
                let object = u16::from(byte(group)?) << 8 | u16::from(byte(variation)?);
                self.push(format!("dnp3.al.obj == {object:#06x}"));
            }
            "dnp3_cmd_ot" | "dnp3_resp_ot" => {
                let group = u16::from(named(&[])?);
                self.from = Some(if key == "dnp3_cmd_ot" { "client" } else { "server" });
                self.push(format!("dnp3.al.obj in [{:#06x}..{:#06x}]", group << 8, group << 8 | 0xff));
            }
            "dnp3_data" => (payload.base, payload.limit) = (DNP3_DATA, Some(DNP3_BLOCK)),
            "dnp3_checksum" => {
                let wrong_sum = "dnp.hdr.CRC.status == 0 or dnp.data_chunk.CRC.status == 0";
                match value.as_str() {
                    "incorrect" => self.push(format!("({wrong_sum})")),
                    "correct" => self.push(format!("not ({wrong_sum})")),
                    _ => return Err(wrong()),
                }
            }
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// The keyword of Suricata: `unit 10, function 4, subfunction 4`, `access write holding, address 500, value >200`.
    fn modbus(&mut self, value: &str) -> Result<(), String> {
        // It looks at requests.
        self.from = Some("client");
        let mut function = None;
        let mut access: Option<(bool, Option<&str>)> = None;
        for part in value.split(',').map(str::trim) {
            let words: Vec<&str> = part.split_whitespace().collect();
            match words.as_slice() {
                ["unit", range @ ..] => {
                    let range = range.concat();
                    self.push(compared("mbtcp.unit_id", &range, 0)?);
                }
                ["function", name] => {
                    let (not, name) = name.strip_prefix('!').map_or((false, *name), |rest| (true, rest));
                    let list = match number(name).filter(|code| *code <= 127) {
                        Some(code) => {
                            function = Some(code);
                            code.to_string()
                        }
                        None if name == "all" => "0..127".to_owned(),
                        None => match MODBUS_GROUPS.iter().find(|(known, _)| *known == name) {
                            Some((_, list)) => (*list).to_owned(),
                            None => return Err(format!("modbus: function {name:?} is not known")),
                        },
                    };
                    self.push(format!("modbus.func_code {}in [{list}]", if not { "not " } else { "" }));
                }
                ["subfunction", code] => {
                    let code = number(code).ok_or_else(|| format!("modbus: subfunction {code:?} is no number"))?;
                    let field = if function == Some(43) { "modbus.mei" } else { "modbus.diagnostic_code" };
                    self.push(format!("{field} == {code}"));
                }
                ["access", kind, table @ ..] if ["read", "write"].contains(kind) => {
                    let write = *kind == "write";
                    let table = table.first().copied();
                    access = Some((write, table));
                    let list = match (write, table) {
                        (false, None) => "1..4, 23",
                        (false, Some("discretes")) => "2",
                        (false, Some("coils")) => "1",
                        (false, Some("input")) => "4",
                        (false, Some("holding")) => "3, 23",
                        (true, None) => "5, 6, 15, 16, 22, 23",
                        (true, Some("coils")) => "5, 15",
                        (true, Some("holding")) => "6, 16, 22, 23",
                        (_, Some(table)) => return Err(format!("modbus: {kind} of {table:?} is not known")),
                    };
                    self.push(format!("modbus.func_code in [{list}]"));
                }
                ["address", range @ ..] => {
                    let (write, table) = access.ok_or("modbus: address stands without access")?;
                    self.address(write, table, &range.concat())?;
                }
                ["value", range @ ..] => {
                    let Some((true, table)) = access else {
                        return Err("modbus: value stands without access write".to_owned());
                    };
                    let range = range.concat();
                    let words = compared("modbus.write.value", &range, 0)?;
                    self.push(match (table, number(&range)) {
                        // A coil is 0, or it is not.
                        (Some("coils"), Some(value)) => format!("modbus.write.value == {}", u8::from(value > 0)),
                        (Some("coils"), None) => {
                            return Err("modbus: a coil is 0 or not; no range can be compared".to_owned());
                        }
                        _ => words,
                    });
                    self.notes.push(
                        "address and value are compared each for itself where several registers are written".to_owned(),
                    );
                }
                _ => return Err(format!("modbus: {part:?} is not understood")),
            }
        }
        Ok(())
    }

    /// Suricata counts addresses from 1.
    fn address(&mut self, write: bool, table: Option<&str>, range: &str) -> Result<(), String> {
        if write {
            let written = compared("modbus.write.address", range, 1)?;
            self.push(written);
            return Ok(());
        }
        let register = compared("modbus.regnum16", range, 1)?;
        let bit = compared("modbus.bitnum", range, 1)?;
        self.push(match table {
            Some("coils" | "discretes") => bit,
            Some(_) => register,
            None => format!("({register} or {bit})"),
        });
        // A request to read names the first address and a count; its answer has each address.
        self.from = Some("server");
        self.notes.push("addresses that are read are looked for in the answer, which has each of them".to_owned());
        Ok(())
    }
}

/// `10`, `<10`, `>10`, `10<>20` (both ends excluded) as a condition; `less` is taken off each number.
fn compared(field: &str, range: &str, less: u64) -> Result<String, String> {
    let wrong = || format!("modbus: {range:?} is no number and no range");
    let one = |text: &str| number(text).filter(|n| *n >= less && *n <= 1 << 32).map(|n| n - less).ok_or_else(wrong);
    if let Some((from, to)) = range.split_once("<>") {
        let (from, to) = (one(from)?, one(to)?);
        return match to.checked_sub(from) {
            Some(2..) => Ok(format!("{field} in [{}..{}]", from + 1, to - 1)),
            _ => Err(format!("modbus: nothing lies between {from} and {to}")),
        };
    }
    if let Some(rest) = range.strip_prefix('<') {
        return one(rest).map(|n| format!("{field} < {n}"));
    }
    match range.strip_prefix('>') {
        Some(rest) => one(rest).map(|n| format!("{field} > {n}")),
        None => one(range).map(|n| format!("{field} == {n}")),
    }
}
