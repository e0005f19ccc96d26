//! What the walk over a message finds: kept in buffers that the session uses again for each message.

use ot_protocol::{FieldValue, Fields};

/// Most fields of one message; what is beyond is counted.
const MOST_FIELDS: usize = 4096;
/// Most of each kind of finding kept of one message.
const MOST: usize = 1024;
/// Most numbers kept of one message.
const MOST_NUMBERS: usize = 8192;
/// Room of a buffer that is kept between messages.
const KEPT: usize = 128;
/// Identifiers of the way to a variable that are kept.
pub(crate) const MOST_LIDS: usize = 8;

/// A piece of the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    /// Offset within the message.
    pub start: usize,
    /// Length in bytes.
    pub length: usize,
}

impl Span {
    /// The bytes.
    pub fn of(self, message: &[u8]) -> &[u8] {
        message.get(self.start..self.start.saturating_add(self.length)).unwrap_or_default()
    }
}

/// A range of one of the buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slice {
    /// Index of the first.
    pub start: usize,
    /// How many.
    pub length: usize,
}

impl Slice {
    /// The entries.
    pub fn of<T>(self, buffer: &[T]) -> &[T] {
        buffer.get(self.start..self.start.saturating_add(self.length)).unwrap_or_default()
    }
}

/// A single value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Scalar {
    /// None, or one without a simple form.
    #[default]
    None,
    /// Two-state.
    Bool(bool),
    /// Unsigned.
    Unsigned(u64),
    /// Signed.
    Signed(i64),
    /// Floating-point.
    Real(f64),
    /// Nanoseconds since 1970.
    Time(u64),
    /// Text in UTF-8.
    Text(Span),
    /// Bytes.
    Bytes(Span),
    /// A structure, by id.
    Struct(u32),
}

impl Scalar {
    /// As a whole number.
    pub fn integer(self) -> Option<i64> {
        match self {
            Self::Bool(bit) => Some(i64::from(bit)),
            Self::Unsigned(number) => i64::try_from(number).ok(),
            Self::Signed(number) => Some(number),
            _ => None,
        }
    }
}

/// A typed value.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Value {
    /// Data type.
    pub datatype: u8,
    /// Flags: array, address array, sparse array.
    pub flags: u8,
    /// Elements.
    pub count: u32,
    /// The first element.
    pub first: Scalar,
    /// Its numbers, members of structures included, in [`Found::numbers`].
    pub numbers: Slice,
    /// Its elements in [`Found::words`], where it is an array of unsigned 32-bit numbers.
    pub words: Slice,
}

/// The start of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Object {
    /// Relation id: of the object itself.
    pub relation: u32,
    /// Class.
    pub class: u32,
    /// Its bytes.
    pub span: Span,
}

/// An attribute of an object, or a member of a structure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Attribute {
    /// Index of its object in [`Found::objects`].
    pub object: Option<usize>,
    /// Id.
    pub id: u32,
    /// Value.
    pub value: Value,
}

/// A value with the number that its request gave it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Item {
    /// Number: place in the request from 1, or reference of a subscription.
    pub number: u32,
    /// Value.
    pub value: Value,
}

/// The address of a variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Address {
    /// Reference number, in a subscription.
    pub reference: u32,
    /// Checksum of the symbol; 0 without check.
    pub crc: u32,
    /// Area: id of an object, of a memory area, or 0x8A0E0000 plus the number of a data block.
    pub area: u32,
    /// What of the area: initial or actual values, or the id of an attribute.
    pub sub: u32,
    /// Way to the variable within the area: local ids, or access kind, offset, size and bit.
    pub lids: [u32; MOST_LIDS],
    /// How many there are.
    pub depth: u32,
}

impl Address {
    /// The local ids that are kept.
    pub fn lids(&self) -> &[u32] {
        let depth = usize::try_from(self.depth).unwrap_or(MOST_LIDS).min(MOST_LIDS);
        self.lids.get(..depth).unwrap_or_default()
    }

    /// Adds a local id.
    pub fn push(&mut self, lid: u32) {
        if let Some(place) = usize::try_from(self.depth).ok().and_then(|place| self.lids.get_mut(place)) {
            *place = lid;
        }
        self.depth = self.depth.saturating_add(1);
    }
}

/// All that is found in one message.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Fields, where they are wanted.
    pub fields: Option<Fields>,
    /// Fields that were too many.
    pub omitted: u64,
    /// Bytes whose place and length are known, but whose content is not: of blobs and packed structures.
    pub opaque: usize,
    /// Objects.
    pub objects: Vec<Object>,
    /// Attributes of objects and members of structures.
    pub attributes: Vec<Attribute>,
    /// Addresses.
    pub addresses: Vec<Address>,
    /// Numbered values.
    pub items: Vec<Item>,
    /// Numbered errors.
    pub errors: Vec<(u32, u64)>,
    /// Numbers of all values, in order; NaN for what is no number.
    pub numbers: Vec<f64>,
    /// Elements of arrays of unsigned 32-bit numbers.
    pub words: Vec<u32>,
    /// Ids that a request asks for, or ids of created objects and links in a response.
    pub ids: Vec<u32>,
    /// References of a subscription that are given up.
    pub given_up: Vec<u32>,
    /// The object addressed.
    pub object: Option<u32>,
    /// The value that stands for itself: of a single variable, or the one written.
    pub value: Option<Value>,
    /// Return value.
    pub returned: Option<u64>,
    /// Method of an invocation, type of a transaction, number of a notification.
    pub detail: u32,
    /// Integrity id.
    pub integrity: Option<u32>,
}

impl Found {
    /// Forgets all, keeps the memory.
    pub fn clear(&mut self) {
        self.fields = None;
        self.omitted = 0;
        self.opaque = 0;
        empty(&mut self.objects);
        empty(&mut self.attributes);
        empty(&mut self.addresses);
        empty(&mut self.items);
        empty(&mut self.errors);
        empty(&mut self.numbers);
        empty(&mut self.words);
        empty(&mut self.ids);
        empty(&mut self.given_up);
        self.object = None;
        self.value = None;
        self.returned = None;
        self.detail = 0;
        self.integrity = None;
    }

    /// Whether fields are wanted.
    pub fn wants_fields(&self) -> bool {
        self.fields.is_some()
    }

    /// Adds a field, where fields are wanted.
    pub fn field(&mut self, name: &'static str, value: impl FnOnce() -> FieldValue) {
        let Some(fields) = &mut self.fields else { return };
        if fields.len() < MOST_FIELDS {
            fields.push((name, value()));
        } else {
            self.omitted += 1;
        }
    }

    /// Adds an unsigned number.
    pub fn number(&mut self, name: &'static str, value: impl Into<u64>) {
        self.field(name, || FieldValue::Unsigned(value.into()));
    }

    /// Adds text.
    pub fn text(&mut self, name: &'static str, value: &str) {
        self.field(name, || FieldValue::Text(value.to_owned()));
    }

    /// Adds bytes.
    pub fn bytes(&mut self, name: &'static str, value: &[u8]) {
        self.field(name, || FieldValue::Bytes(value.to_vec()));
    }

    /// Keeps a number.
    pub fn push_number(&mut self, number: f64) {
        if self.numbers.len() < MOST_NUMBERS {
            self.numbers.push(number);
        }
    }

    /// Keeps an element of an array.
    pub fn push_word(&mut self, word: u32) {
        if self.words.len() < MOST_NUMBERS {
            self.words.push(word);
        }
    }

    /// Keeps an attribute.
    pub fn push_attribute(&mut self, attribute: Attribute) {
        push(&mut self.attributes, attribute);
    }

    /// Keeps an object; gives its index.
    pub fn push_object(&mut self, object: Object) -> Option<usize> {
        push(&mut self.objects, object).then(|| self.objects.len() - 1)
    }

    /// Keeps an address.
    pub fn push_address(&mut self, address: Address) {
        push(&mut self.addresses, address);
    }

    /// Keeps a numbered value.
    pub fn push_item(&mut self, item: Item) {
        push(&mut self.items, item);
    }

    /// Keeps a numbered error.
    pub fn push_error(&mut self, number: u32, returned: u64) {
        push(&mut self.errors, (number, returned));
    }

    /// Keeps an id.
    pub fn push_id(&mut self, id: u32) {
        push(&mut self.ids, id);
    }

    /// Keeps a reference that is given up.
    pub fn push_given_up(&mut self, reference: u32) {
        push(&mut self.given_up, reference);
    }

    /// The numbers of a value.
    pub fn numbers_of(&self, value: &Value) -> &[f64] {
        value.numbers.of(&self.numbers)
    }

    /// The value with a number.
    pub fn item(&self, number: u32) -> Option<&Value> {
        // Numbers mostly run from 1 without a hole.
        let guess = usize::try_from(number).ok()?.checked_sub(1)?;
        (self.items.get(guess).filter(|item| item.number == number))
            .or_else(|| self.items.iter().find(|item| item.number == number))
            .map(|item| &item.value)
    }

    /// The value of the first attribute or member with an id.
    pub fn attribute(&self, id: u32) -> Option<&Value> {
        self.attributes.iter().find(|attribute| attribute.id == id).map(|attribute| &attribute.value)
    }
}

/// Empties a buffer; what a rare long message needed is given back.
fn empty<T>(buffer: &mut Vec<T>) {
    buffer.clear();
    if buffer.capacity() > KEPT {
        buffer.shrink_to(KEPT);
    }
}

fn push<T>(buffer: &mut Vec<T>, entry: T) -> bool {
    let room = buffer.len() < MOST;
    if room {
        buffer.push(entry);
    }
    room
}
