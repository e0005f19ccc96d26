//! Fields of S7comm, under Wireshark's display-filter names and in its order.

mod control;
mod docs;
mod user_data;
mod vars;

use super::function::code;
use super::header::{Header, Unit, UserData, rosctr};
use crate::layers::{bytes, number};
pub(crate) use docs::FIELDS;
use ot_protocol::Fields;
pub(crate) use user_data::diagnostic;

/// Fields of a unit. `joined`: the data of a user data answer that came in parts, on its last part.
pub(crate) fn unit(fields: &mut Fields, unit: &Unit<'_>, joined: Option<(&[u8], &[u64])>) {
    header(fields, unit.header);
    if unit.error() != 0 {
        number(fields, "s7comm.param.errcod", unit.error());
    }
    match unit.header.rosctr {
        rosctr::JOB => job(fields, unit),
        rosctr::ACK_DATA => answer(fields, unit),
        rosctr::USER_DATA => {
            if let Some(head) = UserData::read(unit.param) {
                user_data::param(fields, unit.param, head);
                user_data::data(fields, head, unit.data, joined);
            }
        }
        _ => {}
    }
}

fn header(fields: &mut Fields, header: Header) {
    number(fields, "s7comm.header.protid", super::PROTOCOL_ID);
    number(fields, "s7comm.header.rosctr", header.rosctr);
    number(fields, "s7comm.header.redid", header.redundancy);
    number(fields, "s7comm.header.pduref", header.reference);
    number(fields, "s7comm.header.parlg", header.param);
    number(fields, "s7comm.header.datlg", header.data);
    if let Some((class, code)) = header.error {
        number(fields, "s7comm.header.errcls", class);
        number(fields, "s7comm.header.errcod", code);
    }
}

fn job(fields: &mut Fields, unit: &Unit<'_>) {
    let Some((&function, rest)) = unit.param.split_first() else { return };
    number(fields, "s7comm.param.func", function);
    let _ = match function {
        code::READ | code::WRITE => vars::request(fields, rest, unit.data),
        code::SETUP => control::setup(fields, rest),
        code::REQUEST_DOWNLOAD
        | code::DOWNLOAD_BLOCK
        | code::DOWNLOAD_ENDED
        | code::START_UPLOAD
        | code::UPLOAD
        | code::END_UPLOAD => control::block(fields, function, rest),
        code::PI_SERVICE => control::service(fields, rest),
        code::PLC_STOP => control::stop(fields, rest),
        _ => {
            rest_of(fields, rest, unit.data);
            Ok(())
        }
    };
}

fn answer(fields: &mut Fields, unit: &Unit<'_>) {
    let Some((&function, rest)) = unit.param.split_first() else { return };
    number(fields, "s7comm.param.func", function);
    let _ = match function {
        code::READ | code::WRITE => vars::answer(fields, function, rest, unit.data),
        code::SETUP => control::setup(fields, rest),
        code::DOWNLOAD_BLOCK | code::UPLOAD => control::part(fields, rest, unit.data),
        code::START_UPLOAD => control::upload_started(fields, rest),
        code::REQUEST_DOWNLOAD | code::DOWNLOAD_ENDED | code::END_UPLOAD | code::PI_SERVICE | code::PLC_STOP => Ok(()),
        _ => {
            rest_of(fields, rest, unit.data);
            Ok(())
        }
    };
}

/// What has no fields of its own.
fn rest_of(fields: &mut Fields, param: &[u8], data: &[u8]) {
    if !param.is_empty() {
        bytes(fields, "s7comm.param.data", param);
    }
    if !data.is_empty() {
        bytes(fields, "s7comm.resp.data", data);
    }
}
