//! Credentials presented to devices: readable on the way, never changed, refused, repeated, guessed.

use super::{Detector, is_allowed_by_person, of_activity, row, text_hash};
use crate::alerts::Text;
use crate::catalogue::{self, AlertType, Threshold};
use crate::companions;
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

/// Companions in which a name and a password cross the network.
const CLEAR_TEXT: [&str; 3] = ["http", "ftp", "telnet"];
/// Companions that present credentials with each request, as a matter of course: only what is not accepted is a try.
const WITH_EACH_REQUEST: [&str; 2] = ["http", "snmp"];

/// Whether an SNMP agent that answers others does not answer: agents of versions 1 and 2c refuse a community by silence
/// (RFC 1157, clause 4.1.6.1).
fn is_silent_refusal(core: &Core, seen: &Seen<'_>) -> bool {
    let answers =
        |device: &crate::model::Device| device.protocols.iter().any(|used| used.as_server && used.protocol == "snmp");
    seen.activity.protocol == "snmp"
        && seen.activity.outcome == Outcome::Unanswered
        && seen.server_id().and_then(|id| core.inventory.get(id)).is_some_and(answers)
}

/// `the user admin`, or the client where the protocol has no users.
fn presented(seen: &Seen<'_>) -> String {
    let user = seen.activity.sign_in.as_ref().and_then(|sign_in| sign_in.user.as_deref());
    user.map(|user| format!(" as {user}")).unwrap_or_default()
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
        let reason = match seen.activity.outcome {
            Outcome::Rejected(code, name) => format!("with {name} (code {code})"),
            _ if is_silent_refusal(core, seen) => "by silence, as SNMP agents do".to_owned(),
            _ => return,
        };
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
        let user = presented(seen);
        told.raise(core, seen, &|| {
            (
                format!(
                    "{server} refused {sum} sign-ins of {client} within {} s, the last{user} {reason}.",
                    limit.seconds
                ),
                format!("{} or more refused sign-ins within {} s.", limit.count, limit.seconds),
            )
        });
    }

    /// What the credentials themselves tell.
    fn credentials(core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        let Some(sign_in) = activity.sign_in.as_deref() else { return };
        let (client, server) = (core.display(seen.client), core.display(seen.server));
        let (user, name) = (presented(seen), words::protocol(activity.protocol));
        let port = activity.server.port;
        let outcome = words::outcome(activity.outcome);
        if let Some(product) = sign_in.factory_default {
            let told = Told { kind: catalogue::DEFAULT_CREDENTIALS, entries: &[], count: seen.count };
            told.raise(core, seen, &|| {
                (
                    format!(
                        "{client} presented factory default credentials to {server} by {name} (port {port}){user}: \
                         those of {product}; {outcome}."
                    ),
                    "What was presented equals a default that the vendor published; anyone can read it in the manual. \
                     The sensor compared it and wrote it down nowhere; only packets kept as evidence hold it."
                        .to_owned(),
                )
            });
        }
        if sign_in.clear_text && CLEAR_TEXT.contains(&activity.protocol) {
            let key = EntryKey {
                client: seen.client_id(),
                server: seen.server_id(),
                protocol: activity.protocol,
                space: "clear-text-sign-in",
                ..EntryKey::new(EntryKind::Operation)
            };
            let Some(met) = core.observe(key, "clear-text sign-in", seen.times, seen.count, seen.frames[0]) else {
                return;
            };
            if is_allowed_by_person(core, met.entry) {
                return;
            }
            let entries = [met.entry];
            let told = Told { kind: catalogue::CLEAR_TEXT_SIGN_IN, entries: &entries, count: seen.count };
            told.raise(core, seen, &|| {
                (
                    format!(
                        "{client} signed in to {server} by {name} (port {port}){user}; name and password crossed the \
                         network readable; {outcome}."
                    ),
                    format!(
                        "{} sends the password as text, or in a form that anyone can turn back into text. The sensor \
                         wrote it down nowhere; only packets kept as evidence hold it.",
                        activity.function.name
                    ),
                )
            });
        }
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
                detail: format!("{function}{}; {}", presented(seen), words::outcome(activity.outcome)),
            }
        };
        let mut parts = vec![u64::from(activity.function.code), u64::from(ActivityKey::outcome(activity.outcome))];
        if companions::is_companion(activity.protocol) {
            // A row for each protocol and name.
            parts.extend([text_hash(activity.protocol), text_hash(&presented(seen))]);
        }
        let id = row(&parts);
        let mut finding = of_activity(self.kind, seen, self.entries, id, &text);
        finding.count = self.count;
        core.raise(&finding);
    }
}

impl Detector for SignIn {
    fn types(&self) -> &'static [&'static AlertType] {
        const TYPES: &[&AlertType] = &[
            catalogue::CLEAR_TEXT_SIGN_IN,
            catalogue::DEFAULT_CREDENTIALS,
            catalogue::DNP3_AUTHENTICATION_ERROR,
            catalogue::SIGN_IN_FAILED,
            catalogue::LOGIN_ATTEMPTS,
            catalogue::PASSWORD_GUESSING,
        ];
        TYPES
    }

    fn wants_companions(&self) -> bool {
        true
    }

    fn activity(&mut self, core: &mut Core, seen: &Seen<'_>) {
        let activity = seen.activity;
        if activity.operation != Operation::Authenticate {
            return;
        }
        Self::credentials(core, seen);
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
        let accepted = matches!(activity.outcome, Outcome::Ok | Outcome::Pending);
        if accepted && WITH_EACH_REQUEST.contains(&activity.protocol) {
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
    use crate::detectors::testing::{Plant, companion, dnp3};
    use ot_protocol::{Activity, Endpoint, Operation, Outcome};

    fn sign_in(
        protocol: &'static str,
        outcome: Outcome,
        user: Option<&str>,
        product: Option<&'static str>,
    ) -> Activity {
        let sign_in = ot_protocol::SignIn { user: user.map(str::to_owned), clear_text: true, factory_default: product };
        let name = if protocol == "snmp" { "SNMP read" } else { "HTTP basic sign-in" };
        let exchange = companion(protocol, 66, 11, 80, Operation::Authenticate, name);
        Activity { outcome, sign_in: Some(Box::new(sign_in)), ..exchange }
    }

    #[test]
    fn passwords_that_anyone_can_read_are_told_until_learned() {
        let mut plant = Plant::learning_until(100);
        plant.act(1, sign_in("http", Outcome::Ok, Some("operator"), None));
        let alerts = plant.alerts_of("clear-text-sign-in");
        assert_eq!(
            alerts[0].description,
            "10.0.0.66 signed in to 10.0.0.11 by HTTP (port 80) as operator; name and password crossed the network \
             readable; the device accepted it."
        );
        assert!(plant.alerts_of("default-credentials").is_empty());
        plant.learn(&alerts[0].id);
        plant.act(2, sign_in("http", Outcome::Ok, Some("operator"), None));
        assert_eq!(plant.alerts_of("clear-text-sign-in")[0].count, 1);
    }

    #[test]
    fn a_community_is_no_name_and_password_but_may_be_a_default() {
        let mut plant = Plant::operational();
        plant.act(1, sign_in("snmp", Outcome::Ok, None, None));
        assert!(plant.alerts_of("clear-text-sign-in").is_empty());
        assert!(plant.alerts_of("default-credentials").is_empty());
        plant.act(2, sign_in("snmp", Outcome::Unanswered, None, Some("SNMP agents: community for reading")));
        plant.act(3, sign_in("ftp", Outcome::Ok, Some("admin"), Some("WAGO 750 controllers")));
        let alerts = plant.alerts_of("default-credentials");
        assert_eq!((alerts.len(), alerts[0].violation_count), (1, 2));
        assert!(alerts[0].description.contains("as admin: those of WAGO 750 controllers"), "{}", alerts[0].description);
    }

    #[test]
    fn offices_are_not_told_of() {
        let mut plant = Plant::operational();
        let office = |last: u8, port| Endpoint { port, ip: Some([192, 168, 7, last].into()), ..Endpoint::default() };
        for second in 1..40 {
            let refused = Outcome::Rejected(401, "Unauthorized");
            let sign_in = sign_in("http", refused, Some("admin"), Some("many devices"));
            plant.act(second, Activity { client: office(1, 40_000), server: office(2, 80), ..sign_in });
        }
        for kind in ["clear-text-sign-in", "default-credentials", "sign-in-failed", "login-attempts"] {
            assert!(plant.alerts_of(kind).is_empty(), "{kind}");
        }
    }

    #[test]
    fn refused_web_sign_ins_are_told_and_accepted_ones_are_no_tries() {
        let mut plant = Plant::operational();
        for second in 1..50 {
            plant.act(second, sign_in("http", Outcome::Ok, Some("operator"), None));
        }
        assert!(plant.alerts_of("login-attempts").is_empty());
        for second in 60..90 {
            plant.act(second, sign_in("http", Outcome::Rejected(401, "Unauthorized"), Some("operator"), None));
        }
        assert_eq!(plant.alerts_of("login-attempts").len(), 1);
        let alerts = plant.alerts_of("sign-in-failed");
        assert!(alerts[0].description.ends_with("the last as operator with Unauthorized (code 401)."));
    }

    #[test]
    fn an_agent_that_answers_others_refuses_by_silence() {
        let mut plant = Plant::operational();
        let unanswered = || sign_in("snmp", Outcome::Unanswered, None, None);
        plant.act(1, unanswered());
        plant.act(2, unanswered());
        assert!(plant.alerts_of("sign-in-failed").is_empty());
        let client = companion("snmp", 10, 11, 161, Operation::Read, "").client;
        plant.act(4, Activity { client, ..sign_in("snmp", Outcome::Ok, None, None) });
        plant.act(5, unanswered());
        plant.act(6, unanswered());
        let alerts = plant.alerts_of("sign-in-failed");
        assert_eq!((alerts.len(), alerts[0].count), (1, 2));
        assert!(
            alerts[0].description.ends_with("the last by silence, as SNMP agents do."),
            "{}",
            alerts[0].description
        );
    }

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
