//! What people know of a device that traffic does not tell: where it stands, whose it is, what it may do.
//!
//! A person's word wins over the configuration, the configuration over what follows from traffic.

use crate::model::Role;
use std::fmt;

/// Characters of a text.
const MOST_CHARACTERS: usize = 512;
/// Tags of one device.
pub const MOST_TAGS: usize = 32;

/// What can be said of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// Name.
    Name,
    /// What it does in the plant.
    Role,
    /// Site it stands in.
    Site,
    /// Zone it stands in.
    Zone,
    /// Purdue level, 0 to 5.
    Purdue,
    /// How important it is to the plant: `low`, `normal` or `high`.
    Importance,
    /// Who answers for it.
    Owner,
    /// Where it stands: hall, cabinet.
    Location,
    /// Anything else.
    Notes,
    /// Whether it may be on the network: `yes` or `no`.
    Authorised,
    /// Whether it may program controllers.
    ProgrammingDevice,
    /// Whether it may scan the network.
    Scanner,
    /// A word to group and find devices by. A device may have several.
    Tag,
}

impl Field {
    /// All, in order.
    pub const ALL: [Self; 13] = [
        Self::Name,
        Self::Role,
        Self::Site,
        Self::Zone,
        Self::Purdue,
        Self::Importance,
        Self::Owner,
        Self::Location,
        Self::Notes,
        Self::Authorised,
        Self::ProgrammingDevice,
        Self::Scanner,
        Self::Tag,
    ];

    /// Stable id, as in columns, configuration and imports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Role => "role",
            Self::Site => "site",
            Self::Zone => "zone",
            Self::Purdue => "purdue",
            Self::Importance => "importance",
            Self::Owner => "owner",
            Self::Location => "location",
            Self::Notes => "notes",
            Self::Authorised => "authorised",
            Self::ProgrammingDevice => "programming_device",
            Self::Scanner => "scanner",
            Self::Tag => "tag",
        }
    }

    /// The field of this id.
    pub fn parse(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == id)
    }

    /// A value as it is kept.
    ///
    /// # Errors
    /// What is wrong, and what to write.
    pub fn check(self, value: &str) -> Result<String, String> {
        let value = value.trim();
        let wrong = |known: &str| Err(format!("{} {value:?} is not known; write {known}", self.as_str()));
        if value.is_empty() {
            return Err(format!("{} is empty", self.as_str()));
        }
        if value.chars().any(char::is_control) {
            return Err(format!("{} holds a control character", self.as_str()));
        }
        if value.chars().count() > MOST_CHARACTERS {
            return Err(format!("{} is longer than {MOST_CHARACTERS} characters", self.as_str()));
        }
        match self {
            Self::Role if Role::parse(value).is_none() => wrong(&Role::ALL.map(Role::as_str).join(", ")),
            Self::Importance if Importance::parse(value).is_none() => wrong("low, normal or high"),
            Self::Purdue if !matches!(value.parse(), Ok(0..=5_u8)) => wrong("a level from 0 to 5"),
            Self::Authorised | Self::ProgrammingDevice | Self::Scanner => match value.to_ascii_lowercase().as_str() {
                "yes" | "true" => Ok("yes".to_owned()),
                "no" | "false" => Ok("no".to_owned()),
                _ => wrong("yes or no"),
            },
            Self::Tag if value.contains([',', ';', ' ']) || value.chars().count() > 64 => {
                Err(format!("tag {value:?} is no single word of at most 64 characters"))
            }
            _ => Ok(value.to_owned()),
        }
    }
}

/// How important a device is to the plant. Until a person says otherwise it follows from the role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// No known part in the process.
    Low,
    /// Operates or watches the process.
    Normal,
    /// Drives the process, or can reprogram what drives it.
    High,
}

impl Importance {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    /// From the role.
    pub fn of(role: Role) -> Self {
        match role {
            Role::Controller | Role::Outstation | Role::Gateway | Role::EngineeringStation => Self::High,
            Role::Hmi | Role::Master | Role::SwitchOrRouter | Role::Server => Self::Normal,
            Role::Unknown => Self::Low,
        }
    }

    /// `low`, `normal` or `high`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// The importance of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|importance| importance.as_str() == name)
    }
}

/// Where a value comes from: the higher wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Follows from what the device does.
    Traffic,
    /// The configuration.
    Configuration,
    /// A person, by command or import.
    Person,
}

impl Source {
    /// All, in order.
    pub const ALL: [Self; 3] = [Self::Traffic, Self::Configuration, Self::Person];

    /// `traffic`, `configuration` or `person`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Traffic => "traffic",
            Self::Configuration => "configuration",
            Self::Person => "person",
        }
    }

    /// The source of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == name)
    }
}

/// A value that holds for a device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// What it is.
    pub field: Field,
    /// Its value, as [`Field::check`] gives it.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
    /// The person who said it; empty otherwise.
    pub who: String,
}

/// All that holds for a device, by field and value; one value a field, but for tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context(Vec<Said>);

/// A change that a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it is about.
    pub field: Field,
    /// The new value; `None`: the person says nothing of it any longer. Of a tag always the tag.
    pub value: Option<String>,
    /// For a tag: whether it goes.
    pub remove: bool,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.value, self.field) {
            (Some(tag), Field::Tag) if self.remove => write!(f, "without tag {tag}"),
            (Some(tag), Field::Tag) => write!(f, "tag {tag}"),
            (Some(value), field) => write!(f, "{} {value}", field.as_str().replace('_', " ")),
            (None, field) => write!(f, "{} unset", field.as_str().replace('_', " ")),
        }
    }
}

impl Context {
    /// From values in any order. Of several of one field the first with the highest source holds.
    pub fn new(said: impl IntoIterator<Item = Said>) -> Self {
        let mut context = Self::default();
        for one in said {
            context.add(one);
        }
        context
    }

    /// Adds a value, unless one from a higher (or, but for tags, from the same) source is there.
    pub fn add(&mut self, said: Said) {
        let tag = said.field == Field::Tag;
        let same = |known: &Said| known.field == said.field && (!tag || known.value == said.value);
        let full = tag && self.tags().count() >= MOST_TAGS;
        match self.0.iter_mut().find(|known| same(known)) {
            Some(known) if known.source < said.source => *known = said,
            Some(_) => {}
            None if full => {}
            None => self.0.push(said),
        }
        self.0.sort();
    }

    /// Does what a person asks for.
    pub fn change(&mut self, change: &Change, who: &str) {
        let tag = change.field == Field::Tag;
        self.0.retain(|known| known.field != change.field || (tag && Some(&known.value) != change.value.as_ref()));
        if let Some(value) = change.value.clone().filter(|_| !change.remove) {
            self.add(Said { field: change.field, value, source: Source::Person, who: who.to_owned() });
        }
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = &Said> {
        self.0.iter()
    }

    /// The value of a field.
    pub fn get(&self, field: Field) -> Option<&Said> {
        self.0.iter().find(|said| said.field == field)
    }

    /// Its text.
    pub fn text(&self, field: Field) -> Option<&str> {
        self.get(field).map(|said| said.value.as_str())
    }

    /// Whether it is `yes`.
    pub fn is_yes(&self, field: Field) -> bool {
        self.text(field) == Some("yes")
    }

    /// Tags, in order.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|said| said.field == Field::Tag).map(|said| said.value.as_str())
    }

    /// What people said.
    pub fn of_people(&self) -> impl Iterator<Item = &Said> {
        self.0.iter().filter(|said| said.source == Source::Person)
    }

    /// How important the device is, given its role.
    pub fn importance(&self, role: Role) -> Importance {
        self.text(Field::Importance).and_then(Importance::parse).unwrap_or_else(|| Importance::of(role))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(field: Field, value: &str, source: Source) -> Said {
        Said { field, value: value.to_owned(), source, who: String::new() }
    }

    #[test]
    fn a_person_wins_over_the_configuration_and_can_take_it_back() {
        let configured = [
            said(Field::Owner, "maintenance", Source::Configuration),
            said(Field::Tag, "line-3", Source::Configuration),
        ];
        let mut context = Context::new(configured.clone());
        context.change(&Change { field: Field::Owner, value: Some("anna".to_owned()), remove: false }, "bob");
        context.change(&Change { field: Field::Tag, value: Some("press".to_owned()), remove: false }, "bob");
        assert_eq!(context.text(Field::Owner), Some("anna"));
        assert_eq!(context.tags().collect::<Vec<_>>(), ["line-3", "press"]);
        let again = Context::new(context.of_people().cloned().chain(configured.clone()));
        assert_eq!(again, context);
        context.change(&Change { field: Field::Owner, value: None, remove: false }, "bob");
        let back = Context::new(context.of_people().cloned().chain(configured));
        assert_eq!(back.text(Field::Owner), Some("maintenance"));
    }

    #[test]
    fn values_are_checked_with_what_to_write() {
        assert_eq!(Field::Scanner.check(" True ").as_deref(), Ok("yes"));
        assert_eq!(Field::Purdue.check("5").as_deref(), Ok("5"));
        for (field, value, wanted) in [
            (Field::Importance, "top", "low, normal or high"),
            (Field::Purdue, "6", "a level from 0 to 5"),
            (Field::Authorised, "maybe", "yes or no"),
            (Field::Role, "plc", "controller, outstation"),
            (Field::Tag, "two words", "no single word"),
            (Field::Owner, " ", "is empty"),
            (Field::Notes, "a\u{7}b", "control character"),
        ] {
            let error = field.check(value).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn a_device_has_a_bounded_number_of_tags() {
        let mut context = Context::default();
        for n in 0..100 {
            context.change(&Change { field: Field::Tag, value: Some(format!("tag-{n}")), remove: false }, "bob");
        }
        assert_eq!(context.tags().count(), MOST_TAGS);
    }
}
