//! Credentials presented to devices: refused.

use super::{Detector, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType};
use crate::shared::{Core, Seen};
use crate::words;
use ot_protocol::{Operation, Outcome};

/// Looks at operations of the class `authenticate`.
pub struct SignIn;

/// Function of DNP3 that presents a name and a password for a file: no secure authentication.
const AUTHENTICATE_FILE: u16 = 29;

impl Detector for SignIn {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[catalogue::DNP3_AUTHENTICATION_ERROR];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        let (Operation::Authenticate, Outcome::Rejected(code, name)) = (activity.operation, activity.outcome) else {
            return;
        };
        if activity.protocol == "dnp3" && activity.function.code != AUTHENTICATE_FILE {
            let (client, server) = (core.display(seen.client), core.display(seen.server));
            let function = words::function(activity);
            let text = || Text {
                description: format!(
                    "Secure authentication between {client} and {server} failed: {name} (code {code}), in {function}."
                ),
                why: "Each failure of secure authentication is told (IEEE 1815-2012, clause 7).".to_owned(),
                function: function.clone(),
                object: words::target(&activity.target),
                value: String::new(),
                detail: format!("{name} (code {code})"),
            };
            let id = row(&[u64::from(activity.function.code), u64::from(code)]);
            core.raise(&of_activity(catalogue::DNP3_AUTHENTICATION_ERROR, seen, &[], id, &text));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, dnp3};
    use ot_protocol::{Activity, Operation, Outcome};

    #[test]
    fn failed_secure_authentication_is_told() {
        let mut plant = Plant::operational();
        let exchange = dnp3(10, 11, 32, "Authentication Request", Operation::Authenticate);
        plant.act(1, exchange.clone());
        assert!(plant.alerts_of("dnp3-authentication-error").is_empty());
        plant.act(2, Activity { outcome: Outcome::Rejected(1, "Authentication Failed"), ..exchange });
        assert_eq!(plant.alerts_of("dnp3-authentication-error").len(), 1);
    }
}
