//! The same question as one statement: for a list without end, and to compare pages with.

use crate::read::{AlertQuery, AlertSort, Conditions, like, marks, said_of};
use crate::value::severity_rank;
use rusqlite::types::Value;
use std::fmt::Write as _;

/// Importance of the most important device that takes part in an alert: 2 high, 1 normal, 0 low or none.
const IMPORTANCE: &str = "COALESCE((SELECT MAX(CASE c.value WHEN 'high' THEN 2 WHEN 'normal' THEN 1 ELSE 0 END)
         FROM alert_peer q JOIN device_context c ON c.device = q.device AND c.field = 'importance'
         WHERE q.alert = a.number), 0)";

fn column(sort: AlertSort) -> &'static str {
    match sort {
        AlertSort::LastDetection => "a.last_detection",
        AlertSort::FirstDetection => "a.first_detection",
        AlertSort::Severity => "a.severity",
        AlertSort::Count => "a.count",
        AlertSort::Type => "a.type",
        AlertSort::Importance => IMPORTANCE,
    }
}

/// The order of a list of alerts.
pub(in crate::read) fn order(query: &AlertQuery) -> String {
    let direction = if query.ascending { "ASC" } else { "DESC" };
    format!(" ORDER BY {} {direction}, a.last_detection {direction}, a.number {direction}", column(query.sort))
}

/// Everything that an alert `a` must meet.
pub(in crate::read) fn conditions(query: &AlertQuery) -> Conditions {
    let mut conditions = Conditions::default();
    if let Some(since) = query.since {
        conditions.and("a.last_detection >= ?").value(since.0);
    }
    if let Some(until) = query.until {
        conditions.and("a.first_detection <= ?").value(until.0);
    }
    conditions.one_of("a.severity", query.severities.iter().map(|rank| i64::from(severity_rank(*rank))));
    conditions.one_of("a.engine", query.engines.iter().map(|engine| engine.as_str().to_owned()));
    conditions.one_of("a.status", query.statuses.iter().map(|status| status.as_str().to_owned()));
    conditions.one_of("a.protocol", query.protocols.iter().cloned());
    conditions.one_of("a.type", query.kinds.iter().cloned());
    conditions.one_of("a.expected", query.expected);
    hanging(query, &mut conditions);
    if let Some(place) = &query.after {
        let beyond = if query.ascending { ">" } else { "<" };
        conditions.and(&format!("({}, a.last_detection, a.number) {beyond} (?, ?, ?)", column(query.sort)));
        match query.sort {
            AlertSort::Type => conditions.value(place.value.clone()),
            _ => conditions.value(place.value.parse::<i64>().unwrap_or_default()),
        };
        conditions.value(place.last).value(place.number);
    }
    conditions
}

/// What hangs on an alert, and its text.
fn hanging(query: &AlertQuery, conditions: &mut Conditions) {
    for peer in &query.peers {
        let mut sql = String::from("EXISTS (SELECT 1 FROM alert_peer q WHERE q.alert = a.number");
        let mut values = Vec::new();
        if let Some(side) = peer.side {
            sql.push_str(" AND q.role = ?");
            values.push(Value::from(side.as_str().to_owned()));
        }
        let _ =
            write!(sql, " AND (+q.device IN ({}) OR +q.ip IN ({})))", marks(peer.devices.len()), marks(peer.ips.len()));
        conditions.and(&sql);
        conditions.values.extend(values);
        conditions.values.extend(peer.devices.iter().map(|id| Value::from(id.0)));
        conditions.values.extend(peer.ips.iter().map(|ip| Value::from(ip.to_string())));
    }
    if !query.zones.is_empty() {
        conditions.and(&format!(
            "EXISTS (SELECT 1 FROM alert_peer q JOIN device d ON d.id = q.device
             WHERE q.alert = a.number AND d.zone IN ({}))",
            marks(query.zones.len())
        ));
        conditions.values.extend(query.zones.iter().cloned().map(Value::from));
    }
    for (field, values) in said_of(&query.said, &query.importances) {
        conditions.and(&format!(
            "EXISTS (SELECT 1 FROM alert_peer q JOIN device_context c ON c.device = q.device
             WHERE q.alert = a.number AND +c.field = ? AND +c.value IN ({}))",
            marks(values.len())
        ));
        conditions.value(field.as_str().to_owned());
        conditions.values.extend(values.into_iter().map(Value::from));
    }
    if !query.techniques.is_empty() {
        conditions.and(&format!(
            "EXISTS (SELECT 1 FROM alert_technique t WHERE t.alert = a.number AND t.technique IN ({}))",
            marks(query.techniques.len())
        ));
        conditions.values.extend(query.techniques.iter().cloned().map(Value::from));
    }
    if !query.windows.is_empty() {
        conditions.and(&format!(
            "EXISTS (SELECT 1 FROM alert_maintenance m WHERE m.alert = a.number AND +m.maintenance IN ({}))",
            marks(query.windows.len())
        ));
        conditions.values.extend(query.windows.iter().copied().map(Value::from));
    }
    if !query.runs.is_empty() {
        let list = marks(query.runs.len());
        conditions.and(&format!(
            "(a.run IN ({list}) OR EXISTS (SELECT 1 FROM alert_report o WHERE o.alert = a.number AND o.run IN ({list})))"
        ));
        for _ in 0..2 {
            conditions.values.extend(query.runs.iter().copied().map(Value::from));
        }
    }
    if let Some(text) = &query.text {
        conditions.and(&format!(
            "(a.description LIKE ? ESCAPE '\\' OR a.why LIKE ? ESCAPE '\\' OR a.id LIKE ? ESCAPE '\\' OR a.type IN ({}))",
            marks(query.text_kinds.len())
        ));
        let pattern = like(text);
        conditions.value(pattern.clone()).value(pattern.clone());
        conditions.value(pattern.trim_start_matches('%').to_owned());
        conditions.values.extend(query.text_kinds.iter().cloned().map(Value::from));
    }
}
