//! Fields of S7comm, under Wireshark's display-filter names.

use ot_protocol::{FieldDoc, FieldKind};

macro_rules! docs {
    ($($name:literal $kind:ident $meaning:literal)*) => {
        &[$(FieldDoc { name: $name, kind: FieldKind::$kind, meaning: $meaning }),*]
    };
}

/// Every field that a message can have.
pub(crate) static FIELDS: &[FieldDoc] = crate::layers::layer_docs!(docs);
