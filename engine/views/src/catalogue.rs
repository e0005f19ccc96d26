//! The catalogue: alert types with their documents, and the coverage of ATT&CK for ICS.

use crate::SCHEMA;
use crate::alert::TacticView;
use ot_engine::attack;
use ot_engine::catalogue::{self, AlertType, Techniques};
use ot_protocol::Operation;
use serde::Serialize;
use utoipa::ToSchema;

/// An alert type with its document.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TypeView {
    /// Version of these keys.
    pub schema: u32,
    /// Stable id.
    pub id: &'static str,
    /// Title.
    pub title: &'static str,
    /// Engine.
    pub engine: &'static str,
    /// Category.
    pub category: &'static str,
    /// Severity.
    pub severity: &'static str,
    /// Whether it is raised unless configured otherwise.
    pub default_on: bool,
    /// Whether a person may learn it.
    pub learnable: bool,
    /// Whether it is silent while learning.
    pub needs_baseline: bool,
    /// Key by which violations fold.
    pub aggregate_by: Vec<&'static str>,
    /// Default threshold: how many.
    pub threshold_count: Option<u32>,
    /// Default threshold: within how many seconds.
    pub threshold_seconds: Option<u32>,
    /// Techniques that it names, or that its rules can name; empty where they follow from the operation.
    pub techniques: Vec<&'static str>,
    /// Whether the techniques follow from the operation.
    pub techniques_by_operation: bool,
    /// Whether the techniques are those that a rule of a person names.
    pub techniques_by_rule: bool,
    /// Protocols; empty: any.
    pub protocols: Vec<&'static str>,
    /// What it sees.
    pub sees: &'static str,
    /// Why it matters.
    pub why_it_matters: &'static str,
    /// Evidence.
    pub evidence: &'static str,
    /// False alarms.
    pub false_alarms: &'static str,
    /// What to do.
    pub remediation: Vec<&'static str>,
}

impl From<&'static AlertType> for TypeView {
    fn from(kind: &'static AlertType) -> Self {
        let (techniques, techniques_by_operation, techniques_by_rule) = match kind.techniques {
            Techniques::ByOperation => (Vec::new(), true, false),
            Techniques::ByRule(ids) => (ids.to_vec(), false, ids.is_empty()),
            Techniques::Fixed(ids) => (ids.to_vec(), false, false),
        };
        Self {
            schema: SCHEMA,
            id: kind.id,
            title: kind.title,
            engine: kind.engine.as_str(),
            category: kind.category,
            severity: kind.severity.as_str(),
            default_on: kind.default_on,
            learnable: kind.learnable,
            needs_baseline: kind.needs_baseline,
            aggregate_by: kind.aggregate_by.iter().map(|part| part.as_str()).collect(),
            threshold_count: kind.threshold.map(|threshold| threshold.count),
            threshold_seconds: kind.threshold.map(|threshold| threshold.seconds),
            techniques,
            techniques_by_operation,
            techniques_by_rule,
            protocols: kind.protocols.to_vec(),
            sees: kind.sees,
            why_it_matters: kind.why_it_matters,
            evidence: kind.evidence,
            false_alarms: kind.false_alarms,
            remediation: kind.remediation.to_vec(),
        }
    }
}

/// All alert types, group by group.
pub fn types() -> Vec<TypeView> {
    catalogue::all().iter().map(TypeView::from).collect()
}

/// A technique and the alert types that can tell of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CoverageView {
    /// Version of these keys.
    pub schema: u32,
    /// Release of ATT&CK.
    pub attack_version: &'static str,
    /// Tactic.
    pub tactic: TacticView,
    /// Technique id.
    pub technique: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its page.
    pub url: &'static str,
    /// Alert types that name it, or one of whose rules does.
    pub types: Vec<&'static str>,
    /// Classes of operation that name it, through any of the alert types whose techniques follow from the operation.
    pub operations: Vec<&'static str>,
    /// Why nothing tells of it; null where something does.
    pub why_not: Option<&'static str>,
}

impl CoverageView {
    /// Whether anything can tell of it.
    pub fn covered(&self) -> bool {
        !self.types.is_empty() || !self.operations.is_empty()
    }
}

/// Each technique under each tactic it serves, in the order of the matrix, then by id.
pub fn coverage() -> Vec<CoverageView> {
    let fixed = |id: &str| -> Vec<&'static str> {
        catalogue::all()
            .iter()
            .filter(
                |kind| matches!(kind.techniques, Techniques::Fixed(ids) | Techniques::ByRule(ids) if ids.contains(&id)),
            )
            .map(|kind| kind.id)
            .collect()
    };
    let by_operation = |id: &str| -> Vec<&'static str> {
        Operation::ALL
            .into_iter()
            .map(Operation::as_str)
            .filter(|class| attack::of_operation(class).contains(&id))
            .collect()
    };
    let mut rows = Vec::new();
    for tactic in attack::tactics() {
        for technique in attack::techniques().iter().filter(|technique| technique.tactics.contains(&tactic.id)) {
            let (types, operations) = (fixed(technique.id), by_operation(technique.id));
            let covered = !types.is_empty() || !operations.is_empty();
            rows.push(CoverageView {
                schema: SCHEMA,
                attack_version: attack::VERSION,
                tactic: tactic.into(),
                technique: technique.id,
                name: technique.name,
                url: technique.url,
                types,
                operations,
                why_not: if covered { None } else { attack::why_unseen(technique.id) },
            });
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_there_and_coverage_names_only_known_types() {
        assert_eq!(types().len(), catalogue::all().len());
        let rows = coverage();
        assert!(rows.iter().any(CoverageView::covered));
        assert!(rows.iter().flat_map(|row| &row.types).all(|id| catalogue::by_id(id).is_some()));
    }
}
