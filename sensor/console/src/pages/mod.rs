//! The pages: server-rendered, each state with a URL of its own; without a script they work, with it they are faster.

pub mod alert;
pub mod alerts;
pub mod assets;
pub mod baseline;
pub mod devices;
pub mod events;
pub mod health;
pub mod import;
pub mod maintenance;
pub mod map;
pub mod mining;
pub mod overview;
pub mod reference;
pub mod show;
pub mod sign_in;
pub mod users;

use crate::call::{Answer, Call, Identity};
use crate::problem::Problem;
use askama::Template;
use ot_store::UserRole;

/// What stands around every page.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Title.
    pub title: String,
    /// Which entry of the navigation is marked.
    pub here: &'static str,
    /// Name of who is signed in; empty for nobody.
    pub user: String,
    /// Their role.
    pub role: &'static str,
    /// Whether they may triage.
    pub analyst: bool,
    /// Whether they may manage users.
    pub administrator: bool,
    /// Secret of the forms.
    pub csrf: String,
    /// What was just done.
    pub notice: Option<Notice>,
}

/// What was just done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// In words.
    pub text: String,
    /// The act that changed the baseline and may be taken back.
    pub undo: Option<u64>,
}

/// What can be told after a form: its word in the address, and the text.
const DONE: &[(&str, &str)] = &[
    ("new", "Set to new."),
    ("active", "Set to active: somebody is looking after it."),
    ("close", "Closed. The same traffic again opens a new alert."),
    ("learn", "Learned and closed: what it held is allowed from now on."),
    ("unlearn", "No longer learned: the same traffic is told again."),
    ("mute", "Muted and closed: it is silent without being allowed."),
    ("unmute", "No longer muted."),
    ("comment", "Comment written."),
    ("set", "What is known of the device was changed."),
    ("undo", "Taken back: all is as if the act had not been."),
    ("entry-removed", "The entry is taken back. Below stands whether another entry still allows the same."),
    ("entry-end", "The end of the entry is set."),
    ("pending", "Asked for: the engine that runs on the store does it as soon as it can."),
    ("refused", "Some of it was refused; the history of the alerts says what was done."),
    ("planned", "Planned. Alerts of this work are raised as ever, and marked as expected."),
    (
        "planned-unseen",
        "Planned, although a device that it names was not seen so far; look whether it is written right.",
    ),
    ("window-removed", "The window is removed; what it marked stays marked."),
    ("mode", "The mode is changed; the timeline says by whom."),
    ("imported", "Imported: what the file says of the devices holds now."),
    ("kept", "The question is kept; all users see it."),
    ("forgotten", "The question is forgotten."),
    ("user", "Users changed."),
    ("token", "Tokens changed."),
    ("password", "The password was changed; sessions with the old one have ended."),
];

impl Frame {
    /// For an identity.
    pub fn of(title: impl Into<String>, here: &'static str, identity: Option<&Identity>) -> Self {
        let may = |role| identity.is_some_and(|identity| identity.role >= role);
        Self {
            title: title.into(),
            here,
            user: identity.map_or_else(String::new, |identity| identity.name.clone()),
            role: identity.map_or("", |identity| identity.role.as_str()),
            analyst: may(UserRole::Analyst),
            administrator: may(UserRole::Administrator),
            csrf: identity.and_then(|identity| identity.csrf.clone()).unwrap_or_default(),
            notice: None,
        }
    }

    /// For a request, with what was just done.
    pub fn new(title: impl Into<String>, here: &'static str, call: &Call) -> Self {
        let done = call.one("done").and_then(|word| DONE.iter().find(|(known, _)| *known == word));
        let mut frame = Self::of(title, here, call.identity.as_ref());
        frame.notice = done.map(|(word, text)| Notice {
            text: (*text).to_owned(),
            undo: call
                .one("act")
                .and_then(|act| act.parse().ok())
                .filter(|_| matches!(*word, "learn" | "entry-removed" | "entry-end") && frame.analyst),
        });
        frame
    }

    /// Version of the program.
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    /// What addresses of styles and scripts end with, so that a new version is not taken from a cache.
    pub fn stamp(&self) -> &'static str {
        assets::stamp()
    }
}

/// Renders a page.
///
/// # Errors
/// Where the template fails, which is a fault of ours.
pub fn render(page: &impl Template) -> Result<Answer, Problem> {
    page.render().map(Answer::html).map_err(|error| Problem::internal(error.to_string()))
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    frame: Frame,
    problem: &'a Problem,
}

/// A problem as a page.
pub fn problem(problem: &Problem, identity: Option<&Identity>) -> Answer {
    let page = ProblemPage { frame: Frame::of(problem.title(), "", identity), problem };
    page.render().map_or_else(|_| Answer::html(problem.title().to_owned()), Answer::html)
}
