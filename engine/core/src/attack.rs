//! MITRE ATT&CK for ICS: techniques, the tactics they serve, and the techniques that an operation may be.
//!
//! A fixed release, in [`VERSION`]; the tables are in `attack/table.rs`. Show [`NOTICE`] where the names are shown.

mod table;
mod unseen;

/// The release of ATT&CK that the tables hold.
pub const VERSION: &str = table::VERSION;

/// The notice that MITRE asks for beside names and identifiers.
pub const NOTICE: &str = "MITRE ATT&CK(R) for ICS. (c) The MITRE Corporation. \
    Reproduced and distributed with the permission of The MITRE Corporation.";

/// What an adversary wants to reach: a column of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tactic {
    /// For example `TA0106`.
    pub id: &'static str,
    /// For example `Impair Process Control`.
    pub name: &'static str,
    /// Its page.
    pub url: &'static str,
    /// Column of the matrix, from 0 (Initial Access) to 11 (Impact).
    pub order: u8,
}

/// How an adversary reaches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Technique {
    /// For example `T0855`.
    pub id: &'static str,
    /// For example `Unauthorized Command Message`.
    pub name: &'static str,
    /// Its page.
    pub url: &'static str,
    /// Ids of the tactics it serves, in the order of the matrix.
    pub tactics: &'static [&'static str],
}

/// All tactics, in the order of the matrix.
pub fn tactics() -> &'static [Tactic] {
    &table::TACTICS
}

/// All techniques, sorted by id.
pub fn techniques() -> &'static [Technique] {
    &table::TECHNIQUES
}

/// The tactic of that id.
pub fn tactic(id: &str) -> Option<&'static Tactic> {
    table::TACTICS.iter().find(|tactic| tactic.id == id)
}

/// The technique of that id.
pub fn technique(id: &str) -> Option<&'static Technique> {
    let at = table::TECHNIQUES.binary_search_by(|technique| technique.id.cmp(id)).ok()?;
    table::TECHNIQUES.get(at)
}

/// The tactics that these techniques serve, in the order of the matrix, each once. Unknown ids are passed over.
pub fn tactics_of(techniques: &[&str]) -> Vec<&'static Tactic> {
    let serves = |tactic: &Tactic| {
        techniques.iter().filter_map(|id| technique(id)).any(|technique| technique.tactics.contains(&tactic.id))
    };
    table::TACTICS.iter().filter(|tactic| serves(tactic)).collect()
}

/// The techniques that an operation of this class may be, the likeliest first; empty for a class that does not exist.
pub fn of_operation(class: &str) -> &'static [&'static str] {
    table::OPERATIONS.iter().find(|(name, _)| *name == class).map_or(&[], |(_, techniques)| techniques)
}

/// Why nothing here tells of a technique that no alert type and no class of operation names.
pub fn why_unseen(id: &str) -> Option<&'static str> {
    let at = unseen::UNSEEN.binary_search_by(|(technique, _)| (*technique).cmp(id)).ok()?;
    unseen::UNSEEN.get(at).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sound() {
        assert!(table::TECHNIQUES.is_sorted_by(|a, b| a.id < b.id));
        for (order, tactic) in tactics().iter().enumerate() {
            assert_eq!(usize::from(tactic.order), order);
            assert!(tactic.url.ends_with(tactic.id) && !tactic.name.is_empty());
        }
        for technique in techniques() {
            assert!(technique.url.ends_with(technique.id) && !technique.name.is_empty());
            assert!(!technique.tactics.is_empty(), "{}", technique.id);
            let orders: Vec<_> = technique.tactics.iter().map(|id| tactic(id).unwrap().order).collect();
            assert!(orders.is_sorted_by(|a, b| a < b), "{}", technique.id);
        }
        for (class, ids) in table::OPERATIONS {
            assert!(ids.iter().all(|id| technique(id).is_some()), "{class}");
        }
    }

    #[test]
    fn each_technique_is_told_or_has_a_reason() {
        assert!(unseen::UNSEEN.is_sorted_by(|(a, _), (b, _)| a < b));
        for (id, why) in unseen::UNSEEN {
            assert!(technique(id).is_some() && why.ends_with('.'), "{id}");
        }
        for technique in techniques() {
            let by_type = crate::catalogue::all().iter().any(|kind| {
                matches!(kind.techniques, crate::catalogue::Techniques::Fixed(ids) if ids.contains(&technique.id))
            });
            let by_operation = table::OPERATIONS.iter().any(|(_, ids)| ids.contains(&technique.id));
            assert!(
                by_type || by_operation || why_unseen(technique.id).is_some(),
                "{} {} is told by nothing and has no reason in attack/unseen.rs",
                technique.id,
                technique.name
            );
        }
        assert_eq!(why_unseen("T9999"), None);
    }

    #[test]
    fn looks_up() {
        assert_eq!(VERSION, "18.1");
        assert_eq!(technique("T0855").unwrap().name, "Unauthorized Command Message");
        assert_eq!(technique("T0855").unwrap().url, "https://attack.mitre.org/techniques/T0855");
        assert_eq!(technique("T9999"), None);
        assert_eq!(technique(""), None);
        assert_eq!(of_operation("mode-stop"), ["T0858", "T0881"]);
        assert!(of_operation("no-such-class").is_empty());
    }

    #[test]
    fn tactics_come_in_matrix_order_and_once() {
        let names: Vec<_> = tactics_of(&["T0831", "T0855", "T0846", "T0888", "T9999"]).iter().map(|t| t.name).collect();
        assert_eq!(names, ["Discovery", "Impair Process Control", "Impact"]);
        assert!(tactics_of(&[]).is_empty());
    }
}
