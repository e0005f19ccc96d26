//! The coverage of ATT&CK for ICS as a layer of ATT&CK Navigator (layer format 4.5).

use crate::catalogue::coverage;
use ot_engine::attack;
use serde::Serialize;
use std::collections::BTreeMap;

/// Shades of what is told, from one alert type or operation to many.
const GRADIENT: [&str; 2] = ["#cfe8cf", "#2e8b57"];
/// What cannot be told.
const UNSEEN: &str = "#d9d9d9";

/// A layer. Names and nesting are those of the format.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Layer {
    name: String,
    versions: Versions,
    domain: &'static str,
    description: String,
    /// 0: by name.
    sorting: u8,
    layout: Layout,
    #[serde(rename = "hideDisabled")]
    hide_disabled: bool,
    techniques: Vec<LayerTechnique>,
    gradient: Gradient,
    #[serde(rename = "legendItems")]
    legend_items: Vec<LegendItem>,
    metadata: Vec<Metadata>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Versions {
    /// The release of ATT&CK, without the point release: as Navigator writes it.
    attack: String,
    /// The version of Navigator that is current with the release.
    navigator: &'static str,
    layer: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Layout {
    layout: &'static str,
    #[serde(rename = "showID")]
    show_id: bool,
    #[serde(rename = "showName")]
    show_name: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct LayerTechnique {
    #[serde(rename = "techniqueID")]
    technique_id: &'static str,
    /// How many alert types and classes of operation tell of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<&'static str>,
    comment: String,
    enabled: bool,
    links: Vec<Link>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Link {
    label: &'static str,
    url: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Gradient {
    colors: [&'static str; 2],
    #[serde(rename = "minValue")]
    min_value: usize,
    #[serde(rename = "maxValue")]
    max_value: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct LegendItem {
    label: &'static str,
    color: &'static str,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Metadata {
    name: &'static str,
    value: String,
}

/// The layer of what the alert types can tell of. Each technique once, for all tactics that it serves.
pub fn layer() -> Layer {
    let mut techniques = BTreeMap::new();
    for row in coverage() {
        techniques.entry(row.technique).or_insert(row);
    }
    let told = techniques.values().filter(|row| row.covered()).count();
    let all = techniques.len();
    let techniques: Vec<LayerTechnique> = techniques
        .into_values()
        .map(|row| {
            let score = row.types.len() + row.operations.len();
            let mut comment = Vec::new();
            if !row.types.is_empty() {
                comment.push(format!("Alert types: {}.", row.types.join(", ")));
            }
            if !row.operations.is_empty() {
                comment.push(format!(
                    "Operations: {} (through any alert type whose techniques follow from the operation).",
                    row.operations.join(", ")
                ));
            }
            comment.extend(row.why_not.map(|why| format!("Not told: {why}")));
            LayerTechnique {
                technique_id: row.technique,
                score: row.covered().then_some(score),
                color: if row.covered() { None } else { Some(UNSEEN) },
                comment: comment.join(" "),
                enabled: true,
                links: vec![Link { label: row.name, url: row.url }],
            }
        })
        .collect();
    let most = techniques.iter().filter_map(|technique| technique.score).max().unwrap_or(0);
    Layer {
        name: "ot-sensor".to_owned(),
        versions: Versions {
            attack: attack::VERSION.split('.').next().unwrap_or(attack::VERSION).to_owned(),
            navigator: "5.2.0",
            layer: "4.5",
        },
        domain: "ics-attack",
        description: format!(
            "What ot-sensor {} tells of: {told} of {all} techniques of ATT&CK for ICS {}. The score counts the alert types \
             and classes of operation; the comment of each other technique says why it cannot be told.",
            env!("CARGO_PKG_VERSION"),
            attack::VERSION
        ),
        sorting: 0,
        layout: Layout { layout: "side", show_id: true, show_name: true },
        hide_disabled: false,
        techniques,
        // The greatest score must be above the least.
        gradient: Gradient { colors: GRADIENT, min_value: 1, max_value: most.max(2) },
        legend_items: vec![
            LegendItem { label: "told by one alert type or operation", color: GRADIENT[0] },
            LegendItem { label: "told by many", color: GRADIENT[1] },
            LegendItem { label: "not told from the network; the comment says why", color: UNSEEN },
        ],
        metadata: vec![Metadata { name: "notice", value: attack::NOTICE.to_owned() }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The rules of the published format: which properties there are, of which kind, and which must be there.
    #[test]
    fn is_a_layer_of_format_4_5() {
        let layer = serde_json::to_value(layer()).unwrap();
        let known = [
            "versions",
            "name",
            "description",
            "domain",
            "customDataURL",
            "filters",
            "sorting",
            "layout",
            "hideDisabled",
            "techniques",
            "gradient",
            "legendItems",
            "showTacticRowBackground",
            "tacticRowBackground",
            "selectTechniquesAcrossTactics",
            "selectSubtechniquesWithParent",
            "selectVisibleTechniques",
            "metadata",
            "links",
        ];
        assert!(layer.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())));
        assert_eq!(layer["versions"], serde_json::json!({ "attack": "18", "navigator": "5.2.0", "layer": "4.5" }));
        assert_eq!(layer["domain"], "ics-attack");
        assert!(layer["gradient"]["maxValue"].as_u64() > layer["gradient"]["minValue"].as_u64());
        let techniques = layer["techniques"].as_array().unwrap();
        let ids: BTreeSet<&str> = techniques.iter().filter_map(|entry| entry["techniqueID"].as_str()).collect();
        let wanted: BTreeSet<&str> = attack::techniques().iter().map(|technique| technique.id).collect();
        assert_eq!(ids, wanted);
        assert_eq!(techniques.len(), wanted.len(), "each technique once");
        let known =
            ["techniqueID", "tactic", "comment", "enabled", "score", "color", "metadata", "links", "showSubtechniques"];
        for entry in techniques {
            assert!(entry.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{entry}");
            let comment = entry["comment"].as_str().unwrap();
            assert!(!comment.is_empty(), "{entry}");
            match entry.get("score") {
                Some(score) => assert!(score.as_u64().unwrap() >= 1 && entry.get("color").is_none(), "{entry}"),
                None => assert!(comment.starts_with("Not told: ") && entry["color"] == UNSEEN, "{entry}"),
            }
            assert!(entry["links"][0]["url"].as_str().unwrap().starts_with("https://"));
        }
        assert!(techniques.iter().any(|entry| entry["techniqueID"] == "T0855" && entry["score"].as_u64() > Some(3)));
    }
}
