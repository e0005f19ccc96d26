//! HTTP/1: heads of requests and answers (RFC 9112), bodies passed over. HTTP/2 in clear is not followed.

use crate::companion::{Companion, CompanionSession, Deed, Dialogue, Moment, Step, Told, function};
use crate::defaults::{self, Service};
use crate::text::{base64, clean, contains, percent};
use ot_protocol::{Direction, FieldDoc, FieldKind, FieldValue, Operation, Outcome, Probe, SignIn, Target};
use std::collections::VecDeque;

const PORTS: &[u16] = &[80, 8080];
/// Longest head that is waited for.
const MOST_HEAD: usize = 16 << 10;
/// Headers of one message.
const MOST_HEADERS: usize = 128;
/// Requests whose answers are waited for.
const MOST_REQUESTS: usize = 16;
/// Longest form that may be a sign-in.
const MOST_FORM: usize = 2048;
/// Messages of one connection that are looked at.
const MOST_MESSAGES: u32 = 4096;
/// Characters of a name.
const MOST_USER: usize = 64;

/// Address space under which unusual heads are told: `count` is the length in bytes, `start` the number of parameters.
pub const SPACE: &str = "http-header";
/// Heads of requests from this length on are told, in bytes.
pub const LEAST_HEADER: usize = 2048;
/// Heads of requests from this number of headers on are told.
pub const LEAST_PARAMETERS: usize = 64;

/// Functions told.
const BASIC: u16 = 1;
const DIGEST: u16 = 2;
const FORM: u16 = 3;
const HEADER: u16 = 4;

pub(crate) const HTTP: Companion = Companion {
    id: Http::ID,
    name: "HTTP",
    ports: PORTS,
    ethertypes: &[],
    probe,
    session: CompanionSession::<Http>::boxed,
    fields: &[
        FieldDoc { name: "http.request.method", kind: FieldKind::Text, meaning: "Method of the request" },
        FieldDoc {
            name: "http.request.uri",
            kind: FieldKind::Text,
            meaning: "Target of the request, without its query",
        },
        FieldDoc { name: "http.host", kind: FieldKind::Text, meaning: "Host that the client wants" },
        FieldDoc { name: "http.user_agent", kind: FieldKind::Text, meaning: "Software of the client" },
        FieldDoc { name: "http.response.code", kind: FieldKind::Number, meaning: "Status of the answer" },
        FieldDoc { name: "http.server", kind: FieldKind::Text, meaning: "Software of the server" },
        FieldDoc { name: "http.www_authenticate", kind: FieldKind::Text, meaning: "Sign-in that the server asks for" },
    ],
    rules: &["http-abnormal"],
};

const METHODS: [&[u8]; 9] =
    [b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"DELETE ", b"CONNECT ", b"PATCH ", b"TRACE "];
const ANSWER: &[u8] = b"HTTP/1.";

fn probe(bytes: [&[u8]; 2], _: bool, datagram: bool) -> Probe {
    if datagram {
        return Probe::No;
    }
    let mut more = false;
    for (bytes, direction) in bytes.into_iter().zip([Direction::AtoB, Direction::BtoA]) {
        if bytes.starts_with(ANSWER) {
            return Probe::Yes { client: Some(direction.reversed()) };
        }
        if let Some(method) = METHODS.iter().find(|method| bytes.starts_with(method)) {
            // RTSP and SIP have the same methods; their targets tell them apart.
            return match bytes.get(method.len()) {
                Some(b'/' | b'*') => Probe::Yes { client: Some(direction) },
                Some(b'h' | b'H') => Probe::Yes { client: Some(direction) },
                Some(_) if *method == b"CONNECT " => Probe::Yes { client: Some(direction) },
                Some(_) => Probe::No,
                None => Probe::More,
            };
        }
        let begin = |wanted: &[u8]| wanted.starts_with(bytes);
        more |= !bytes.is_empty() && (begin(ANSWER) || METHODS.iter().any(|method| begin(method)));
    }
    if more { Probe::More } else { Probe::No }
}

/// What comes next in a direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The head of a message.
    #[default]
    Head,
    /// A form that may be a sign-in, of this length.
    Form(usize),
    /// So many bytes of a body.
    Body(u64),
    /// The length of a chunk.
    Chunk,
    /// So many bytes of a chunk and the line end behind it.
    InChunk(u64),
    /// Headers behind the last chunk.
    Trailer,
    /// The beginning of a message is looked for.
    Lost,
}

/// A request whose answer is waited for.
#[derive(Debug)]
struct Request {
    asked: Moment,
    /// Answers to HEAD have no body.
    head: bool,
    connect: bool,
    sign_in: Option<(u16, SignIn)>,
    /// A head that is unusual: length and parameters.
    unusual: Option<(usize, usize, bool)>,
}

#[derive(Default)]
struct Http {
    states: [State; 2],
    requests: VecDeque<Request>,
    /// Who signed in last, and how that ended: browsers present it with each request.
    told_user: Option<(u16, Option<String>)>,
    messages: u32,
    server_told: bool,
}

/// What matters of the headers of a message.
#[derive(Default)]
struct Headers<'a> {
    count: usize,
    host: Option<&'a [u8]>,
    agent: Option<&'a [u8]>,
    server: Option<&'a [u8]>,
    authorization: Option<&'a [u8]>,
    challenge: Option<&'a [u8]>,
    location: Option<&'a [u8]>,
    cookie_set: bool,
    form: bool,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
    /// A header holds control characters.
    illegal: bool,
}

fn headers<'a>(list: &[httparse::Header<'a>]) -> Headers<'a> {
    // Where the parser gave up, the rest of the list is empty.
    let list = list.iter().take_while(|header| !header.name.is_empty());
    let mut found = Headers::default();
    for header in list {
        found.count += 1;
        let value = header.value;
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("host") {
            found.host = Some(value);
        } else if is("user-agent") {
            found.agent = Some(value);
        } else if is("server") {
            found.server = Some(value);
        } else if is("authorization") {
            found.authorization = Some(value);
        } else if is("www-authenticate") {
            found.challenge = Some(value);
        } else if is("location") {
            found.location = Some(value);
        } else if is("set-cookie") {
            found.cookie_set = true;
        } else if is("content-type") {
            found.form = contains(value, "x-www-form-urlencoded");
        } else if is("content-length") {
            found.length = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
        } else if is("transfer-encoding") {
            found.chunked = contains(value, "chunked");
        } else if is("upgrade") {
            found.upgrade = true;
        }
    }
    found
}

/// Name and password of the basic scheme (RFC 7617). The password is forgotten here.
fn basic(value: &[u8]) -> Option<SignIn> {
    let mut buffer = [0u8; 384];
    let length = base64(value.trim_ascii(), &mut buffer)?;
    let text = buffer.get(..length)?;
    let colon = text.iter().position(|&byte| byte == b':')?;
    let (user, password) = (clean(text.get(..colon)?, MOST_USER), text.get(colon + 1..)?);
    let factory_default = defaults::product(Service::Http, &user, password);
    let made = SignIn { user: Some(user), clear_text: true, factory_default };
    buffer.fill(0);
    Some(made)
}

/// Name of the digest scheme (RFC 7616).
fn digest(value: &[u8]) -> SignIn {
    let text = String::from_utf8_lossy(value.get(..value.len().min(2048)).unwrap_or_default());
    let user = text
        .split("username=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .map(|user| clean(user.as_bytes(), MOST_USER));
    SignIn { user, ..SignIn::default() }
}

fn authorization(value: &[u8]) -> Option<(u16, SignIn)> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if scheme.eq_ignore_ascii_case(b"basic ") {
        basic(rest).map(|sign_in| (BASIC, sign_in))
    } else if scheme.eq_ignore_ascii_case(b"digest") {
        Some((DIGEST, digest(rest)))
    } else {
        None
    }
}

/// Name and password of a form, where it plainly is a sign-in. The password is forgotten here.
fn form(body: &[u8]) -> Option<SignIn> {
    const USERS: [&str; 8] = ["user", "username", "userid", "login", "loginname", "name", "j_username", "account"];
    const PASSWORDS: [&str; 7] = ["password", "passwd", "pass", "pwd", "j_password", "passwort", "userpassword"];
    let (mut user, mut password) = (None, None);
    for pair in body.split(|&byte| byte == b'&') {
        let Some(equal) = pair.iter().position(|&byte| byte == b'=') else { continue };
        let key = String::from_utf8_lossy(pair.get(..equal)?).to_ascii_lowercase();
        let value = pair.get(equal + 1..)?;
        if USERS.contains(&key.as_str()) {
            user = Some(value);
        } else if PASSWORDS.contains(&key.as_str()) {
            password = Some(value);
        }
    }
    let (user, password) = (user?, password?);
    let mut buffer = [0u8; 256];
    let length = percent(user, &mut buffer)?;
    let user = clean(buffer.get(..length)?, MOST_USER);
    let length = percent(password, &mut buffer)?;
    let factory_default = defaults::product(Service::Http, &user, buffer.get(..length)?);
    buffer.fill(0);
    Some(SignIn { user: Some(user), clear_text: true, factory_default })
}

/// Where the head that begins here ends.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let window = bytes.get(..bytes.len().min(MOST_HEAD)).unwrap_or_default();
    let crlf = window.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    let lf = window.windows(2).position(|two| two == b"\n\n").map(|at| at + 2);
    crlf.into_iter().chain(lf).min()
}

/// What became of a sign-in, by the answer.
fn verdict(kind: u16, code: u16, headers: &Headers<'_>) -> Outcome {
    match (kind, code) {
        (_, 401) => Outcome::Rejected(code, "Unauthorized"),
        (_, 403) => Outcome::Rejected(code, "Forbidden"),
        // Where a form was wrong, most servers lead back to it; a page of its own tells nothing.
        (FORM, 300..=399) => {
            let back = headers
                .location
                .is_some_and(|to| ["login", "logon", "signin", "fail", "error"].iter().any(|word| contains(to, word)));
            if back {
                Outcome::Rejected(code, "led back to the sign-in page")
            } else if headers.cookie_set {
                Outcome::Ok
            } else {
                Outcome::Pending
            }
        }
        (FORM, _) => Outcome::Pending,
        (_, 200..=399) => Outcome::Ok,
        _ => Outcome::Pending,
    }
}

impl Http {
    fn state(&mut self, direction: Direction) -> &mut State {
        let [a, b] = &mut self.states;
        if direction == Direction::AtoB { a } else { b }
    }

    fn head(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> Step {
        let answer = bytes.starts_with(ANSWER);
        let request = METHODS.iter().any(|method| bytes.starts_with(method));
        if !answer && !request {
            let begun = ANSWER.starts_with(bytes) || METHODS.iter().any(|method| method.starts_with(bytes));
            if begun && *self.state(direction) == State::Head {
                return Step::Need(bytes.len() + 1);
            }
            // An empty line may stand before a message (RFC 9112, clause 2.2).
            if let [b'\r' | b'\n', ..] = bytes {
                return Step::Skipped(1);
            }
            *self.state(direction) = State::Lost;
            return Step::Skipped(bytes.len());
        }
        let Some(end) = head_end(bytes) else {
            if bytes.len() < MOST_HEAD {
                return Step::Need(bytes.len() + 1);
            }
            if request {
                self.unusual(told, direction, bytes.len(), 0, false);
            }
            return Step::Done;
        };
        self.messages += 1;
        if self.messages > MOST_MESSAGES {
            return Step::Done;
        }
        *self.state(direction) = State::Head;
        let head = bytes.get(..end).unwrap_or_default();
        if answer { self.answer(told, direction, head) } else { self.request(told, direction, head) }
    }

    /// A head that was never answered, for it has no end.
    fn unusual(&mut self, told: &mut Told<'_, '_>, client: Direction, length: usize, parameters: usize, illegal: bool) {
        told.is_client(client);
        let request = Request {
            asked: told.moment(),
            head: false,
            connect: false,
            sign_in: None,
            unusual: Some((length, parameters, illegal)),
        };
        Self::tell(told, client, request, None, Outcome::Pending, Outcome::Pending);
    }

    fn request(&mut self, told: &mut Told<'_, '_>, direction: Direction, head: &[u8]) -> Step {
        told.is_client(direction);
        let mut list = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut parsed = httparse::Request::new(&mut list);
        let result = parsed.parse(head);
        let (method, path) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
        let mut found = headers(parsed.headers);
        match result {
            Err(httparse::Error::TooManyHeaders) => {
                found.count = head.iter().filter(|&&byte| byte == b'\n').count().saturating_sub(2)
            }
            Err(_) => found.illegal = true,
            Ok(_) => {}
        }
        told.message(direction, |fields| {
            let text = |bytes: &[u8]| FieldValue::Text(clean(bytes, 512));
            fields.push(("http.request.method", text(method.as_bytes())));
            let target = path.split('?').next().unwrap_or_default();
            fields.push(("http.request.uri", text(target.as_bytes())));
            fields.extend(found.host.map(|host| ("http.host", text(host))));
            fields.extend(found.agent.map(|agent| ("http.user_agent", text(agent))));
        });
        if let Some(host) = found.host {
            let host = clean(host, 255);
            let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
            told.name(direction, name.map_or(host.as_str(), |(name, _)| name), "HTTP Host");
        }
        let parameters = found.count + path.split_once('?').map_or(0, |(_, query)| query.split('&').count());
        let unusual = found.illegal || head.len() >= LEAST_HEADER || parameters >= LEAST_PARAMETERS;
        if self.requests.len() >= MOST_REQUESTS {
            self.requests.pop_front();
            told.evicted();
        }
        self.requests.push_back(Request {
            asked: told.moment(),
            head: method == "HEAD",
            connect: method == "CONNECT",
            sign_in: found.authorization.and_then(authorization),
            unusual: unusual.then_some((head.len(), parameters, found.illegal)),
        });
        let state = match (found.length, found.chunked) {
            (_, true) => State::Chunk,
            (Some(0) | None, _) => State::Head,
            (Some(length), _) => match usize::try_from(length) {
                Ok(length) if found.form && length <= MOST_FORM => State::Form(length),
                _ => State::Body(length),
            },
        };
        *self.state(direction) = state;
        Step::Decoded(head.len())
    }

    fn answer(&mut self, told: &mut Told<'_, '_>, direction: Direction, head: &[u8]) -> Step {
        let client = direction.reversed();
        told.is_client(client);
        let mut list = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut parsed = httparse::Response::new(&mut list);
        let _ = parsed.parse(head);
        let code = parsed.code.unwrap_or(0);
        let found = headers(parsed.headers);
        told.message(direction, |fields| {
            let text = |bytes: &[u8]| FieldValue::Text(clean(bytes, 512));
            fields.push(("http.response.code", FieldValue::Unsigned(u64::from(code))));
            fields.extend(found.server.map(|server| ("http.server", text(server))));
            fields.extend(found.challenge.map(|challenge| ("http.www_authenticate", text(challenge))));
        });
        if let Some(server) = found.server.filter(|_| !self.server_told) {
            self.server_told = true;
            let speaker = told.speaker(direction);
            told.identity(speaker, "software", clean(server, 128), "HTTP Server");
        }
        if code == 101 {
            // Another protocol follows.
            return Step::Done;
        }
        if (100..200).contains(&code) {
            return Step::Decoded(head.len());
        }
        let request = self.requests.pop_front();
        let bodiless = matches!(code, 204 | 304) || request.as_ref().is_some_and(|request| request.head);
        let tunnel = request.as_ref().is_some_and(|request| request.connect) && code == 200;
        if let Some(request) = request {
            let signed = match &request.sign_in {
                Some((kind, _)) => verdict(*kind, code, &found),
                None => Outcome::Pending,
            };
            let done = if code >= 400 { Outcome::Rejected(code, "HTTP error") } else { Outcome::Ok };
            self.settle(told, client, request, signed, done);
        }
        if tunnel {
            return Step::Done;
        }
        *self.state(direction) = match (found.length, found.chunked) {
            _ if bodiless => State::Head,
            (_, true) => State::Chunk,
            (Some(0), _) => State::Head,
            (Some(length), _) => State::Body(length),
            // The body ends with the connection.
            (None, _) => State::Body(u64::MAX),
        };
        Step::Decoded(head.len())
    }

    /// Tells what is known of a request now that its answer is there; a sign-in that is presented again with success once
    /// only.
    fn settle(
        &mut self,
        told: &mut Told<'_, '_>,
        client: Direction,
        mut request: Request,
        signed: Outcome,
        done: Outcome,
    ) {
        if let Some((kind, sign_in)) = &request.sign_in {
            let who = (*kind, sign_in.user.clone());
            if signed == Outcome::Ok && self.told_user.as_ref() == Some(&who) {
                request.sign_in = None;
            } else {
                self.told_user = (signed == Outcome::Ok).then_some(who);
            }
        }
        let answered = Some(told.moment());
        Self::tell(told, client, request, answered, signed, done);
    }

    fn tell(
        told: &mut Told<'_, '_>,
        client: Direction,
        request: Request,
        answered: Option<Moment>,
        signed: Outcome,
        done: Outcome,
    ) {
        if let Some((kind, sign_in)) = request.sign_in {
            let name = match kind {
                BASIC => "HTTP basic sign-in",
                DIGEST => "HTTP digest sign-in",
                _ => "HTTP form sign-in",
            };
            told.sign_in(client, function(kind, name), request.asked, answered, signed, sign_in);
        }
        if let Some((length, parameters, illegal)) = request.unusual {
            let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            let target = Target {
                space: SPACE,
                start: number(parameters),
                count: number(length),
                name: illegal.then(|| "characters that no header may hold".into()),
                ..Target::default()
            };
            told.deed(
                client,
                Deed {
                    operation: Operation::Unknown,
                    function: function(HEADER, "HTTP request"),
                    target,
                    asked: request.asked,
                    answered,
                    outcome: done,
                    sign_in: None,
                },
            );
        }
    }
}

impl Dialogue for Http {
    const ID: &'static str = "http";

    fn step(&mut self, told: &mut Told<'_, '_>, direction: Direction, bytes: &[u8]) -> Step {
        match *self.state(direction) {
            State::Head | State::Lost => self.head(told, direction, bytes),
            State::Form(length) => {
                let Some(body) = bytes.get(..length) else { return Step::Need(length) };
                if let Some(request) = self.requests.back_mut().filter(|request| request.sign_in.is_none()) {
                    request.sign_in = form(body).map(|sign_in| (FORM, sign_in));
                }
                *self.state(direction) = State::Head;
                Step::Decoded(length)
            }
            State::Body(left) => {
                let here = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let taken = left.min(here);
                *self.state(direction) = if left == u64::MAX {
                    State::Body(left)
                } else if left > here {
                    State::Body(left - here)
                } else {
                    State::Head
                };
                Step::Skipped(usize::try_from(taken).unwrap_or(bytes.len()))
            }
            State::InChunk(left) => {
                let here = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let taken = left.min(here);
                *self.state(direction) = if left > here { State::InChunk(left - here) } else { State::Chunk };
                Step::Skipped(usize::try_from(taken).unwrap_or(bytes.len()))
            }
            State::Chunk | State::Trailer => {
                let Some(end) = bytes.iter().take(512).position(|&byte| byte == b'\n') else {
                    return if bytes.len() < 512 { Step::Need(bytes.len() + 1) } else { Step::Done };
                };
                let line = bytes.get(..end).unwrap_or_default().trim_ascii();
                if *self.state(direction) == State::Trailer {
                    if line.is_empty() {
                        *self.state(direction) = State::Head;
                    }
                    return Step::Skipped(end + 1);
                }
                let size = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
                let size = std::str::from_utf8(size).ok().and_then(|size| u64::from_str_radix(size, 16).ok());
                *self.state(direction) = match size {
                    Some(0) => State::Trailer,
                    Some(size) => State::InChunk(size.saturating_add(2)),
                    None => State::Lost,
                };
                Step::Skipped(end + 1)
            }
        }
    }

    fn gap(&mut self, direction: Direction, bytes: u64) -> bool {
        *self.state(direction) = match *self.state(direction) {
            // A hole inside a body is passed over like the body.
            State::Body(left) if bytes > 0 && (left > bytes || left == u64::MAX) => {
                State::Body(if left == u64::MAX { left } else { left - bytes })
            }
            State::InChunk(left) if bytes > 0 && left > bytes => State::InChunk(left - bytes),
            _ => {
                self.requests.clear();
                State::Lost
            }
        };
        true
    }

    fn finish(&mut self, told: &mut Told<'_, '_>) {
        let client = told.client(PORTS);
        for request in std::mem::take(&mut self.requests) {
            Self::tell(told, client, request, None, Outcome::Pending, Outcome::Pending);
        }
    }
}
