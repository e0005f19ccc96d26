//! What is remembered of outstations: their indications, their forced points, their open files.

use crate::application::Fragment;
use crate::file::{self, Command};
use crate::function::code;
use crate::identity;
use crate::objects::{File, Layout, Space};
use crate::values::{self, FORCED};
use ot_protocol::Reader;
use std::collections::BTreeSet;

/// Outstations remembered at once.
const MOST_OUTSTATIONS: usize = 64;
/// Forced points remembered of an outstation.
const MOST_FORCED: usize = 256;
/// Forced points named in words.
const NAMED: usize = 16;
/// Open files remembered at once.
const MOST_FILES: usize = 16;
/// Longest name kept.
const LONGEST_NAME: usize = 200;

/// An outstation, by its link address.
#[derive(Debug)]
pub(crate) struct Outstation {
    address: u16,
    iin: Option<u16>,
    forced: BTreeSet<(Space, u32)>,
    /// Whether forced points were told of.
    told: bool,
}

/// All outstations of a conversation.
#[derive(Debug, Default)]
pub(crate) struct Outstations {
    list: Vec<Outstation>,
    last: usize,
}

impl Outstations {
    /// The outstation with this address.
    pub(crate) fn get(&mut self, address: u16, evicted: &mut dyn FnMut(&'static str)) -> &mut Outstation {
        let is_last = self.list.get(self.last).is_some_and(|outstation| outstation.address == address);
        if !is_last {
            self.last = match self.list.iter().position(|outstation| outstation.address == address) {
                Some(at) => at,
                None => {
                    if self.list.len() >= MOST_OUTSTATIONS {
                        self.list.remove(0);
                        evicted(crate::OUTSTATIONS_EVICTED);
                    }
                    self.list.push(Outstation { address, iin: None, forced: BTreeSet::new(), told: false });
                    self.list.len() - 1
                }
            };
        }
        let at = self.last.min(self.list.len() - 1);
        &mut self.list[at]
    }
}

impl Outstation {
    /// Takes in indications. Whether its state changed.
    pub(crate) fn indications(&mut self, iin: u16) -> bool {
        let state = iin & identity::STATE;
        let changed = self.iin != Some(state);
        self.iin = Some(state);
        changed
    }

    /// Takes in the flags of all points in a response. The forced points in words, where they changed.
    pub(crate) fn forced(&mut self, response: &Fragment<'_>) -> Option<String> {
        let mut changed = false;
        for header in response.walk() {
            let Some(Layout::Fixed(fixed)) = header.layout() else { continue };
            let space = Space::of(header.group);
            if header.stride == 0 || !values::is_points(space) {
                continue;
            }
            let before = header.index_octets();
            let flags = |object: &[u8]| object.get(before..).and_then(|object| values::flags(fixed, object));
            // The usual case: nothing is forced, nothing was.
            let any = header.data.chunks_exact(header.stride).any(|object| flags(object).unwrap_or(0) & FORCED != 0);
            if !any && self.forced.is_empty() {
                continue;
            }
            for point in header.points() {
                let Some(flags) = values::flags(fixed, point.data) else { break };
                if flags & FORCED == 0 {
                    changed |= self.forced.remove(&(space, point.index));
                } else if self.forced.len() < MOST_FORCED {
                    changed |= self.forced.insert((space, point.index));
                }
            }
        }
        if !changed {
            return None;
        }
        if self.forced.is_empty() && !self.told {
            return None;
        }
        self.told = true;
        Some(self.words())
    }

    fn words(&self) -> String {
        if self.forced.is_empty() {
            return "none".to_owned();
        }
        let mut words: Vec<String> =
            self.forced.iter().take(NAMED).map(|(space, index)| format!("{} {index}", space.point())).collect();
        if self.forced.len() > NAMED {
            words.push(format!("and {} more", self.forced.len() - NAMED));
        }
        words.join(", ")
    }
}

/// A file that is being opened or is open.
#[derive(Debug)]
struct OpenFile {
    sub: u32,
    handle: Option<u32>,
    name: Box<str>,
}

/// Names of open files, by their handles.
#[derive(Debug, Default)]
pub(crate) struct Files {
    list: Vec<OpenFile>,
}

impl Files {
    /// Takes in a request. Name of the file that it is about.
    pub(crate) fn request(&mut self, sub: u32, request: &Fragment<'_>) -> Option<Box<str>> {
        if request.objects.first() != Some(&70) {
            return None;
        }
        let header = request.walk().next()?;
        let object = header.points().next()?.data;
        let Some(Layout::File(kind)) = header.layout() else { return None };
        match kind {
            File::Command => {
                let name = text(Command::object(object).ok()?.name)?;
                if request.function == code::OPEN_FILE {
                    if self.list.len() >= MOST_FILES {
                        self.list.remove(0);
                    }
                    self.list.push(OpenFile { sub, handle: None, name: name.clone() });
                }
                Some(name)
            }
            File::CommandStatus | File::Transport | File::TransportStatus => {
                let handle = Reader::new(object).u32_le().ok()?;
                let known = |open: &OpenFile| open.sub == sub && open.handle == Some(handle);
                let at = self.list.iter().position(known)?;
                if matches!(request.function, code::CLOSE_FILE | code::ABORT_FILE) {
                    return Some(self.list.remove(at).name);
                }
                self.list.get(at).map(|open| open.name.clone())
            }
            File::Descriptor => {
                let mut reader = Reader::new(object);
                let _ = reader.u16_le().ok()?;
                let length = usize::from(reader.u16_le().ok()?);
                let _ = reader.take(16).ok()?;
                text(reader.take(length).ok()?)
            }
            File::Specification => text(object),
            File::Identifier | File::Authentication => None,
        }
    }

    /// Takes in the response to a request about a file: it tells the handle of the opened one.
    pub(crate) fn response(&mut self, sub: u32, response: &Fragment<'_>, asked: u8, name: Option<&str>) {
        if asked != code::OPEN_FILE || response.objects.first() != Some(&70) {
            return;
        }
        let Some(name) = name else { return };
        let status = response
            .walk()
            .find(|header| header.layout() == Some(Layout::File(File::CommandStatus)))
            .and_then(|header| header.points().next());
        let handle = status.and_then(|point| Reader::new(point.data).u32_le().ok());
        let accepted = status.is_some_and(|point| point.data.get(12) == Some(&0));
        let Some(at) =
            self.list.iter().rposition(|open| open.sub == sub && open.handle.is_none() && *open.name == *name)
        else {
            return;
        };
        if accepted {
            if let Some(open) = self.list.get_mut(at) {
                open.handle = handle;
            }
        } else {
            self.list.remove(at);
        }
    }
}

fn text(bytes: &[u8]) -> Option<Box<str>> {
    let name = identity::clean(bytes.get(..LONGEST_NAME).unwrap_or(bytes));
    (!name.is_empty()).then(|| name.into_boxed_str())
}

/// How a request uses a file, by its mode where it opens one.
pub(crate) fn usage(function: u8, mode: Option<u16>) -> file::Use {
    match (function, mode) {
        (code::DELETE_FILE, _) => file::Use::Delete,
        (code::WRITE, _) | (_, Some(file::WRITE | file::APPEND)) => file::Use::Write,
        _ => file::Use::Read,
    }
}
