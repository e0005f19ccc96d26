//! Credentials presented to devices: refused, repeated, guessed.

use super::{Detector, is_allowed_by_person, of_activity, row};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType, Threshold};
use crate::config::EngineConfig;
use crate::model::{EntryId, EntryKey, EntryKind, Peer};
use crate::shared::{Core, Seen};
use crate::table::WindowCount;
use crate::words;
use ot_protocol::{Activity, ActivityKey, Operation, Outcome};

/// Looks at operations of the class `authenticate`.
pub struct SignIn {
    refused: Limit,
    tries: Limit,
    guesses: Limit,
}

/// A number within a window, by client and server.
struct Limit {
    window: WindowCount<(Peer, Peer)>,
    limit: Threshold,
}

impl Limit {
    fn new(config: &EngineConfig, kind: &'static AlertType, count: u32, seconds: u32) -> Self {
        let limit = config.threshold(kind, Threshold { count, seconds });
        Self { window: WindowCount::new(limit.seconds, config.limits.window_keys), limit }
    }

    /// Counts; where the limit is reached, how many there are now and how many of them are to be told.
    fn add(&mut self, pair: &(Peer, Peer), seen: &Seen<'_>) -> Option<(u32, u64)> {
        let count = u32::try_from(seen.count).unwrap_or(u32::MAX);
        let sum = self.window.add(pair, count, seen.times[1]);
        // Those before the limit are told with the one that reaches it.
        let first = sum.saturating_sub(count) < self.limit.count;
        (sum >= self.limit.count).then(|| (sum, u64::from(if first { sum } else { count })))
    }
}

/// Function of DNP3 that presents a name and a password for a file (IEEE 1815-2012, clause 4.4.5).
const AUTHENTICATE_FILE: u16 = 29;

/// Whether the exchange belongs to DNP3 secure authentication, which goes with each critical command and takes no password.
fn is_secure_authentication(activity: &Activity) -> bool {
    activity.protocol == "dnp3" && activity.function.code != AUTHENTICATE_FILE
}

impl SignIn {
    /// With the configured limits.
    pub fn new(config: &EngineConfig) -> Self {
        Self {
            refused: Limit::new(config, catalogue::SIGN_IN_FAILED, 2, 300),
            tries: Limit::new(config, catalogue::LOGIN_ATTEMPTS, 20, 60),
            guesses: Limit::new(config, catalogue::PASSWORD_GUESSING, 100, 60),
        }
    }

    fn refused(&mut self, core: &mut Core, seen: &Seen<'_>, pair: &(Peer, Peer)) {
        let Outcome::Rejected(code, name) = seen.activity.outcome else { return };
        let Some((sum, count)) = self.refused.add(pair, seen) else { return };
        let key = EntryKey {
            client: seen.client_id(),
            server: seen.server_id(),
            protocol: seen.activity.protocol,
            space: "refused-sign-in",
            ..EntryKey::new(EntryKind::Operation)
        };
        let Some(met) = core.observe(key, "refused sign-in", seen.times, seen.count, seen.frames[0]) else { return };
        if is_allowed_by_person(core, met.entry) {
            return;
        }
        let limit = self.refused.limit;
        let entries = [met.entry];
        let told = Told { kind: catalogue::SIGN_IN_FAILED, entries: &entries, count };
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        told.raise(core, seen, &|| {
            (
                format!(
                    "{server} refused {sum} sign-ins of {client} within {} s, the last with {name} (code {code}).",
                    limit.seconds
                ),
                format!("{} or more refused sign-ins within {} s.", limit.count, limit.seconds),
            )
        });
    }
}

/// What is told of a pair that signs in.
struct Told<'a> {
    kind: &'static AlertType,
    entries: &'a [EntryId],
    count: u64,
}

impl Told<'_> {
    fn raise(&self, core: &mut Core, seen: &Seen<'_>, words: &dyn Fn() -> (String, String)) {
        let activity = seen.activity;
        let function = words::function(activity);
        let text = || {
            let (description, why) = words();
            Text {
                description,
                why,
                function: function.clone(),
                object: words::target(&activity.target),
                value: String::new(),
                detail: format!("{function}; {}", words::outcome(activity.outcome)),
            }
        };
        let id = row(&[u64::from(activity.function.code), u64::from(ActivityKey::outcome(activity.outcome))]);
        let mut finding = of_activity(self.kind, seen, self.entries, id, &text);
        finding.count = self.count;
        core.raise(&finding);
    }
}

impl Detector for SignIn {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[
            catalogue::DNP3_AUTHENTICATION_ERROR,
            catalogue::SIGN_IN_FAILED,
            catalogue::LOGIN_ATTEMPTS,
            catalogue::PASSWORD_GUESSING,
        ];
        TYPES
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        if activity.operation != Operation::Authenticate {
            return;
        }
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let secure = is_secure_authentication(activity);
        if secure && let Outcome::Rejected(code, name) = activity.outcome {
            let told = Told { kind: catalogue::DNP3_AUTHENTICATION_ERROR, entries: &[], count: seen.count };
            told.raise(core, seen, &|| {
                (
                    format!(
                        "Secure authentication between {client} and {server} failed: {name} (code {code}), in {}.",
                        words::function(activity)
                    ),
                    "Each failure of secure authentication is told (IEEE 1815-2012, clause 7).".to_owned(),
                )
            });
        }
        let pair = (seen.client.clone(), seen.server.clone());
        self.refused(core, seen, &pair);
        // Challenges that are answered rightly are no tries.
        if secure && activity.outcome == Outcome::Ok {
            return;
        }
        let tries = [
            (catalogue::LOGIN_ATTEMPTS, self.tries.limit, self.tries.add(&pair, seen), "signed in to"),
            (
                catalogue::PASSWORD_GUESSING,
                self.guesses.limit,
                self.guesses.add(&pair, seen),
                "presented credentials to",
            ),
        ];
        for (kind, limit, reached, did) in tries {
            let Some((sum, count)) = reached else { continue };
            Told { kind, entries: &[], count }.raise(core, seen, &|| {
                (
                    format!(
                        "{client} {did} {server} {sum} times within {} s, and may go on; the last time {}.",
                        limit.seconds,
                        words::outcome(activity.outcome)
                    ),
                    format!("{} or more tries within {} s.", limit.count, limit.seconds),
                )
            });
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let evicted = self.refused.window.evicted + self.tries.window.evicted + self.guesses.window.evicted;
        vec![("sign-in-windows-evicted", evicted)]
    }
}

#[cfg(test)]
mod tests {
    use crate::detectors::testing::{Plant, dnp3};
    use ot_protocol::{Activity, Operation, Outcome};

    fn exchange(code: u16, outcome: Outcome) -> Activity {
        Activity { outcome, ..dnp3(10, 11, code, "Some Function", Operation::Authenticate) }
    }

    #[test]
    fn failed_secure_authentication_is_told() {
        let mut plant = Plant::operational();
        for second in 1..30 {
            plant.act(second, exchange(32, Outcome::Ok));
        }
        assert!(plant.alerts_of("dnp3-authentication-error").is_empty());
        assert!(plant.alerts_of("login-attempts").is_empty());
        plant.act(30, exchange(32, Outcome::Rejected(1, "Authentication Failed")));
        assert_eq!(plant.alerts_of("dnp3-authentication-error").len(), 1);
        assert!(plant.alerts_of("sign-in-failed").is_empty());
        plant.act(31, exchange(32, Outcome::Rejected(1, "Authentication Failed")));
        assert_eq!(plant.alerts_of("sign-in-failed")[0].count, 2);
    }

    #[test]
    fn refused_sign_ins_far_apart_are_typing_errors() {
        let mut plant = Plant::operational();
        for second in [1, 1_000, 2_000] {
            plant.act(second, exchange(29, Outcome::Rejected(1, "Permission Denied")));
        }
        assert!(plant.alerts_of("sign-in-failed").is_empty());
        assert!(plant.alerts_of("dnp3-authentication-error").is_empty());
        plant.act(2_010, exchange(29, Outcome::Rejected(1, "Permission Denied")));
        let alerts = plant.alerts_of("sign-in-failed");
        assert_eq!(
            alerts[0].description,
            "10.0.0.11 link 10 refused 2 sign-ins of 10.0.0.10 link 1 within 300 s, the last with Permission Denied (code 1)."
        );
    }

    #[test]
    fn many_tries_are_told_and_very_many_as_guessing() {
        for (tries, attempts, guessing) in [(19, 0, 0), (20, 1, 0), (99, 1, 0), (100, 1, 1)] {
            let mut plant = Plant::operational();
            for _ in 0..tries {
                plant.act(1, exchange(29, Outcome::Rejected(1, "Permission Denied")));
            }
            assert_eq!(plant.alerts_of("login-attempts").len(), attempts, "{tries}");
            assert_eq!(plant.alerts_of("password-guessing").len(), guessing, "{tries}");
        }
    }

    #[test]
    fn repetitions_count_although_they_are_folded() {
        let mut plant = Plant::operational();
        plant.act_again(1, 25, exchange(29, Outcome::Ok));
        assert_eq!(plant.alerts_of("login-attempts")[0].count, 25);
    }
}
