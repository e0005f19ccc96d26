//! Functions: jobs, groups and subfunctions of user data, program invocation services.

use ot_protocol::{Function, Operation};

/// Functions of jobs.
pub(crate) mod code {
    pub const CPU_SERVICES: u8 = 0x00;
    pub const READ: u8 = 0x04;
    pub const WRITE: u8 = 0x05;
    pub const REQUEST_DOWNLOAD: u8 = 0x1A;
    pub const DOWNLOAD_BLOCK: u8 = 0x1B;
    pub const DOWNLOAD_ENDED: u8 = 0x1C;
    pub const START_UPLOAD: u8 = 0x1D;
    pub const UPLOAD: u8 = 0x1E;
    pub const END_UPLOAD: u8 = 0x1F;
    pub const PI_SERVICE: u8 = 0x28;
    pub const PLC_STOP: u8 = 0x29;
    pub const SETUP: u8 = 0xF0;
}

/// Functions of jobs: code, name, class.
pub(crate) static JOBS: &[(u8, &str, Operation)] = &[
    (code::CPU_SERVICES, "CPU Services", Operation::Unknown),
    (code::READ, "Read Var", Operation::Read),
    (code::WRITE, "Write Var", Operation::Write),
    (code::REQUEST_DOWNLOAD, "Request Download", Operation::ProgramWrite),
    (code::DOWNLOAD_BLOCK, "Download Block", Operation::ProgramWrite),
    (code::DOWNLOAD_ENDED, "Download Ended", Operation::ProgramWrite),
    (code::START_UPLOAD, "Start Upload", Operation::ProgramRead),
    (code::UPLOAD, "Upload", Operation::ProgramRead),
    (code::END_UPLOAD, "End Upload", Operation::ProgramRead),
    (code::PI_SERVICE, "PI Service", Operation::Unknown),
    (code::PLC_STOP, "PLC Stop", Operation::ModeStop),
    (code::SETUP, "Setup Communication", Operation::Session),
];

/// Groups of user data.
pub(crate) mod group {
    pub const MODE: u8 = 0x0;
    pub const PROGRAMMER: u8 = 0x1;
    pub const CYCLIC: u8 = 0x2;
    pub const BLOCKS: u8 = 0x3;
    pub const CPU: u8 = 0x4;
    pub const SECURITY: u8 = 0x5;
    pub const PBC: u8 = 0x6;
    pub const TIME: u8 = 0x7;
    pub const NC: u8 = 0xF;
}

/// Groups of user data and their names.
pub(crate) static GROUPS: &[(u8, &str)] = &[
    (group::MODE, "Mode transition"),
    (group::PROGRAMMER, "Programmer commands"),
    (group::CYCLIC, "Cyclic services"),
    (group::BLOCKS, "Block functions"),
    (group::CPU, "CPU functions"),
    (group::SECURITY, "Security"),
    (group::PBC, "PBC BSEND/BRECV"),
    (group::TIME, "Time functions"),
    (group::NC, "NC programming"),
];

/// Subfunctions of user data: group, subfunction, name, class.
pub(crate) static SUBFUNCTIONS: &[(u8, u8, &str, Operation)] = &[
    (group::MODE, 0, "Mode transition: STOP", Operation::ReadMode),
    (group::MODE, 1, "Mode transition: warm restart", Operation::ReadMode),
    (group::MODE, 2, "Mode transition: RUN", Operation::ReadMode),
    (group::MODE, 3, "Mode transition: hot restart", Operation::ReadMode),
    (group::MODE, 4, "Mode transition: HOLD", Operation::ReadMode),
    (group::MODE, 6, "Mode transition: cold restart", Operation::ReadMode),
    (group::MODE, 9, "Mode transition: RUN-R", Operation::ReadMode),
    (group::MODE, 11, "Mode transition: link-up", Operation::ReadMode),
    (group::MODE, 12, "Mode transition: update", Operation::ReadMode),
    (group::PROGRAMMER, 0x01, "Block status", Operation::Diagnose),
    (group::PROGRAMMER, 0x02, "Variable status", Operation::Read),
    (group::PROGRAMMER, 0x03, "Output ISTACK", Operation::Diagnose),
    (group::PROGRAMMER, 0x04, "Output BSTACK", Operation::Diagnose),
    (group::PROGRAMMER, 0x05, "Output LSTACK", Operation::Diagnose),
    (group::PROGRAMMER, 0x06, "Time measurement from to", Operation::Diagnose),
    (group::PROGRAMMER, 0x07, "Force selection", Operation::Force),
    (group::PROGRAMMER, 0x08, "Modify variable", Operation::Force),
    (group::PROGRAMMER, 0x09, "Force", Operation::Force),
    (group::PROGRAMMER, 0x0A, "Breakpoint", Operation::Diagnose),
    (group::PROGRAMMER, 0x0B, "Exit HOLD", Operation::ModeRun),
    (group::PROGRAMMER, 0x0C, "Memory reset", Operation::ProgramDelete),
    (group::PROGRAMMER, 0x0D, "Disable job", Operation::Diagnose),
    (group::PROGRAMMER, 0x0E, "Enable job", Operation::Diagnose),
    (group::PROGRAMMER, 0x0F, "Delete job", Operation::Diagnose),
    (group::PROGRAMMER, 0x10, "Read job list", Operation::Diagnose),
    (group::PROGRAMMER, 0x11, "Read job", Operation::Diagnose),
    (group::PROGRAMMER, 0x12, "Replace job", Operation::Diagnose),
    (group::PROGRAMMER, 0x13, "Block status, version 2", Operation::Diagnose),
    (group::PROGRAMMER, 0x16, "Flash LED", Operation::Diagnose),
    (group::CYCLIC, 0x01, "Cyclic transfer", Operation::Read),
    (group::CYCLIC, 0x04, "End of cyclic transfer", Operation::Read),
    (group::CYCLIC, 0x05, "Transfer on change", Operation::Read),
    (group::CYCLIC, 0x07, "Change of a transfer on change", Operation::Read),
    (group::CYCLIC, 0x08, "Read record", Operation::ConfigRead),
    (group::BLOCKS, 0x01, "List blocks", Operation::Identify),
    (group::BLOCKS, 0x02, "List blocks of type", Operation::Identify),
    (group::BLOCKS, 0x03, "Get block info", Operation::Identify),
    (group::CPU, 0x01, "Read SZL", Operation::Identify),
    (group::CPU, 0x02, "Message service", Operation::CommsOn),
    (group::CPU, 0x03, "Diagnostic message", Operation::ReadMode),
    (group::CPU, 0x05, "ALARM_8 indication", Operation::ReadMode),
    (group::CPU, 0x06, "NOTIFY indication", Operation::ReadMode),
    (group::CPU, 0x07, "ALARM_8 lock", Operation::CommsOff),
    (group::CPU, 0x08, "ALARM_8 unlock", Operation::CommsOn),
    (group::CPU, 0x09, "SCAN indication", Operation::ReadMode),
    (group::CPU, 0x0B, "ALARM acknowledge", Operation::Write),
    (group::CPU, 0x0C, "ALARM acknowledge indication", Operation::ReadMode),
    (group::CPU, 0x0D, "ALARM lock indication", Operation::ReadMode),
    (group::CPU, 0x0E, "ALARM unlock indication", Operation::ReadMode),
    (group::CPU, 0x11, "ALARM_SQ indication", Operation::ReadMode),
    (group::CPU, 0x12, "ALARM_S indication", Operation::ReadMode),
    (group::CPU, 0x13, "ALARM query", Operation::ReadMode),
    (group::CPU, 0x16, "NOTIFY_8 indication", Operation::ReadMode),
    (group::SECURITY, 0x01, "Enter password", Operation::Authenticate),
    (group::SECURITY, 0x02, "Clear password", Operation::Authenticate),
    (group::TIME, 0x01, "Read clock", Operation::Read),
    (group::TIME, 0x02, "Set clock", Operation::TimeSet),
    (group::TIME, 0x03, "Read clock (following)", Operation::Read),
    (group::TIME, 0x04, "Set clock (following)", Operation::TimeSet),
    (group::NC, 0x01, "NC request download", Operation::ProgramWrite),
    (group::NC, 0x02, "NC download block", Operation::ProgramWrite),
    (group::NC, 0x03, "NC continue download", Operation::ProgramWrite),
    (group::NC, 0x04, "NC download ended", Operation::ProgramWrite),
    (group::NC, 0x06, "NC start upload", Operation::ProgramRead),
    (group::NC, 0x07, "NC upload", Operation::ProgramRead),
    (group::NC, 0x08, "NC continue upload", Operation::ProgramRead),
];

/// Functions of user data are told with codes of their own: this plus the group. (7 is the message type.)
pub(crate) const USER_DATA: u16 = 0x0700;

/// The function of a job.
pub(crate) fn job(function: u8) -> (Function, Operation) {
    let known = JOBS.iter().find(|(code, ..)| *code == function);
    let (name, operation) = known.map_or(("unknown function", Operation::Unknown), |(_, name, class)| (*name, *class));
    (Function { code: u16::from(function), sub: None, name }, operation)
}

/// The function of user data.
pub(crate) fn user_data(group: u8, sub: u8) -> (Function, Operation) {
    let known = SUBFUNCTIONS.iter().find(|(of, code, ..)| *of == group && *code == sub);
    let (name, operation) = match known {
        Some((_, _, name, operation)) => (*name, *operation),
        // The subfunction of block transfer is an identifier.
        None if group == group::PBC => ("PBC BSEND/BRECV", Operation::Write),
        None => {
            let of = GROUPS.iter().find(|(of, _)| *of == group);
            (of.map_or("unknown group of user data", |(_, name)| *name), Operation::Unknown)
        }
    };
    (Function { code: USER_DATA | u16::from(group), sub: Some(u16::from(sub)), name }, operation)
}

/// Program invocation services: name on the wire, name for people, class.
pub(crate) static SERVICES: &[(&str, &str, Operation)] = &[
    ("P_PROGRAM", "PI P_PROGRAM (start)", Operation::ModeRun),
    ("_INSE", "PI _INSE (activate block)", Operation::ProgramWrite),
    ("_DELE", "PI _DELE (delete block)", Operation::ProgramDelete),
    ("_MODU", "PI _MODU (copy RAM to ROM)", Operation::ProgramWrite),
    ("_GARB", "PI _GARB (compress memory)", Operation::Diagnose),
    ("_N_LOGIN_", "PI _N_LOGIN_ (sign in)", Operation::Authenticate),
    ("_N_LOGOUT", "PI _N_LOGOUT (sign out)", Operation::Authenticate),
    ("_N_CANCEL", "PI _N_CANCEL (cancel NC alarm)", Operation::Write),
    ("_N_DASAVE", "PI _N_DASAVE (copy from SRAM to FLASH)", Operation::ProgramWrite),
    ("_N_DIGIOF", "PI _N_DIGIOF (digitising off)", Operation::Write),
    ("_N_DIGION", "PI _N_DIGION (digitising on)", Operation::Write),
    ("_N_DZERO_", "PI _N_DZERO_ (set all D numbers invalid)", Operation::Write),
    ("_N_ENDEXT", "PI _N_ENDEXT (end of processing from external)", Operation::Write),
    ("_N_F_OPER", "PI _N_F_OPER (open file for reading)", Operation::ProgramRead),
    ("_N_OST_OF", "PI _N_OST_OF (overstore off)", Operation::Write),
    ("_N_OST_ON", "PI _N_OST_ON (overstore on)", Operation::Write),
    ("_N_SCALE_", "PI _N_SCALE_ (unit of measurement)", Operation::ConfigWrite),
    ("_N_SETUFR", "PI _N_SETUFR (activate user frame)", Operation::ConfigWrite),
    ("_N_STRTLK", "PI _N_STRTLK (set global start disable)", Operation::ModeStop),
    ("_N_STRTUL", "PI _N_STRTUL (reset global start disable)", Operation::ModeRun),
    ("_N_TMRASS", "PI _N_TMRASS (reset active status)", Operation::Write),
    ("_N_F_DELE", "PI _N_F_DELE (delete file)", Operation::ProgramDelete),
    ("_N_EXTERN", "PI _N_EXTERN (select external program)", Operation::ProgramWrite),
    ("_N_EXTMOD", "PI _N_EXTMOD (select external program)", Operation::ProgramWrite),
    ("_N_F_DELR", "PI _N_F_DELR (delete file of any access right)", Operation::ProgramDelete),
    ("_N_F_XFER", "PI _N_F_XFER (select file for upload)", Operation::ProgramRead),
    ("_N_LOCKE_", "PI _N_LOCKE_ (lock active file)", Operation::Write),
    ("_N_SELECT", "PI _N_SELECT (select program)", Operation::ProgramWrite),
    ("_N_SRTEXT", "PI _N_SRTEXT (mark file for external processing)", Operation::ProgramWrite),
    ("_N_F_CLOS", "PI _N_F_CLOS (close file)", Operation::File),
    ("_N_F_OPEN", "PI _N_F_OPEN (open file)", Operation::File),
    ("_N_F_SEEK", "PI _N_F_SEEK (position in file)", Operation::File),
    ("_N_F_MODE", "PI _N_F_MODE (access mode of file)", Operation::File),
    ("_N_F_RENA", "PI _N_F_RENA (rename file)", Operation::File),
    ("_N_F_COPY", "PI _N_F_COPY (copy file)", Operation::File),
    ("_N_F_PROT", "PI _N_F_PROT (protect file)", Operation::File),
    ("_N_ASUP__", "PI _N_ASUP__ (assign interrupt)", Operation::Write),
    ("_N_CHEKDM", "PI _N_CHEKDM (check uniqueness of D numbers)", Operation::Diagnose),
    ("_N_CHKDNO", "PI _N_CHKDNO (check tools for unique D numbers)", Operation::Diagnose),
    ("_N_CONFIG", "PI _N_CONFIG (reconfigure machine data)", Operation::ConfigWrite),
    ("_N_CRCEDN", "PI _N_CRCEDN (create tool cutting edge)", Operation::Write),
    ("_N_CREACE", "PI _N_CREACE (create tool cutting edge)", Operation::Write),
    ("_N_CREATO", "PI _N_CREATO (create tool)", Operation::Write),
    ("_N_DELECE", "PI _N_DELECE (delete tool cutting edge)", Operation::Write),
    ("_N_DELETO", "PI _N_DELETO (delete tool)", Operation::Write),
    ("_N_FINDBL", "PI _N_FINDBL (activate search)", Operation::Write),
    ("_N_IBN_SS", "PI _N_IBN_SS (set commissioning mode)", Operation::ConfigWrite),
    ("_N_MMCSEM", "PI _N_MMCSEM (semaphore)", Operation::Write),
    ("_N_NCKMOD", "PI _N_NCKMOD (mode of the NCK)", Operation::ConfigWrite),
    ("_N_NEWPWD", "PI _N_NEWPWD (new password)", Operation::Authenticate),
    ("_N_SEL_BL", "PI _N_SEL_BL (select block)", Operation::Write),
    ("_N_SETTST", "PI _N_SETTST (activate tools for replacement)", Operation::Write),
    ("_N_TMAWCO", "PI _N_TMAWCO (activate wear group)", Operation::Write),
    ("_N_TMCRTC", "PI _N_TMCRTC (create tool with duplo number)", Operation::Write),
    ("_N_TMCRTO", "PI _N_TMCRTO (create tool)", Operation::Write),
    ("_N_TMFDPL", "PI _N_TMFDPL (search empty place for loading)", Operation::Write),
    ("_N_TMFPBP", "PI _N_TMFPBP (search empty place)", Operation::Write),
    ("_N_TMGETT", "PI _N_TMGETT (get T number)", Operation::Read),
    ("_N_TMMVTL", "PI _N_TMMVTL (load or unload tool)", Operation::Control),
    ("_N_TMPCIT", "PI _N_TMPCIT (set piece counter)", Operation::Write),
    ("_N_TMPOSM", "PI _N_TMPOSM (position magazine)", Operation::Control),
    ("_N_TRESMO", "PI _N_TRESMO (reset monitoring values)", Operation::Write),
    ("_N_TSEARC", "PI _N_TSEARC (complex search)", Operation::Read),
];

/// Number of a service that is not known.
const UNKNOWN_SERVICE: u16 = 0xFFFF;

/// The function of a program invocation. `cold`: its argument asks for a cold restart.
pub(crate) fn service(name: &[u8], cold: bool) -> (Function, Operation) {
    let code = u16::from(code::PI_SERVICE);
    let known = (0_u16..).zip(SERVICES).find(|(_, (known, ..))| known.as_bytes() == name);
    match known {
        Some((0, _)) if cold => {
            (Function { code, sub: Some(0x100), name: "PI P_PROGRAM (cold restart)" }, Operation::Restart)
        }
        Some((sub, (_, name, operation))) => (Function { code, sub: Some(sub), name }, *operation),
        None => (Function { code, sub: Some(UNKNOWN_SERVICE), name: "unknown PI service" }, Operation::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_names_and_classes() {
        assert_eq!(job(0x29), (Function { code: 0x29, sub: None, name: "PLC Stop" }, Operation::ModeStop));
        assert_eq!(job(0x77).1, Operation::Unknown);
        assert_eq!(user_data(7, 2).1, Operation::TimeSet);
        assert_eq!(user_data(4, 1).0, Function { code: 0x0704, sub: Some(1), name: "Read SZL" });
        assert_eq!(user_data(4, 0x77).0.name, "CPU functions");
        assert_eq!(service(b"P_PROGRAM", false).1, Operation::ModeRun);
        assert_eq!(service(b"P_PROGRAM", true).1, Operation::Restart);
        assert_eq!(service(b"_DELE", false).1, Operation::ProgramDelete);
        assert_eq!(service(b"_N_NEW", false).1, Operation::Unknown);
    }

    #[test]
    fn tables_name_each_once() {
        let mut subs: Vec<_> = SUBFUNCTIONS.iter().map(|(group, sub, ..)| (group, sub)).collect();
        subs.sort_unstable();
        subs.dedup();
        assert_eq!(subs.len(), SUBFUNCTIONS.len());
        let mut names: Vec<_> = SERVICES.iter().map(|(name, ..)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SERVICES.len());
    }
}
