//! The console as a person and a program use it: started over a store, with users of each role.

use crate::http::{Reply, send};
use crate::sensor::{root, sensor, succeed};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

/// The password of all users here.
pub const PASSWORD: &str = "a password for tests";
/// Users there are: each named as its role.
pub const ROLES: [&str; 3] = ["viewer", "analyst", "administrator"];

/// A console that runs until it is dropped.
pub struct Console {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its store.
    pub store: PathBuf,
    _folder: tempfile::TempDir,
}

impl Drop for Console {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Replays fixtures into a store, the first ten minutes of the first one learned.
///
/// # Errors
/// Where a replay fails.
pub fn replay(store: &Path, fixtures: &[&str]) -> Result<()> {
    let mut command = sensor();
    command.args(["replay", "--quiet", "--learn-for", "10m", "--store"]).arg(store);
    for name in fixtures {
        command.arg(root().join("fixtures").join(name).join("capture.pcap.zst"));
    }
    succeed(&mut command).map(drop)
}

impl Console {
    /// Over a new store with alerts of Modbus and S7, with a user of each role.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let store = folder.path().join("store.db");
        replay(&store, &["benign-polling", "unauthorised-write"])?;
        replay(&store, &["s7-benign-polling", "s7-download"])?;
        Self::over(folder, store)
    }

    /// Over a store in a folder.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn over(folder: tempfile::TempDir, store: PathBuf) -> Result<Self> {
        Self::with(folder, store, &[])
    }

    /// Over a store in a folder, with more arguments.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn with(folder: tempfile::TempDir, store: PathBuf, more: &[String]) -> Result<Self> {
        for role in ROLES {
            let mut child = sensor()
                .args(["user", "add", role, "--role", role, "--password-stdin", "--store"])
                .arg(&store)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()?;
            child.stdin.take().context("no input")?.write_all(PASSWORD.as_bytes())?;
            ensure!(child.wait()?.success(), "user add {role}");
        }
        let mut child = sensor()
            .args(["console", "--plain-http", "--until-eof", "--listen", "127.0.0.1:0", "--store"])
            .arg(&store)
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let address = line.trim().strip_prefix("console: http://").and_then(|rest| rest.strip_suffix('/'));
        let address = address.with_context(|| format!("no address: {line:?}"))?.parse()?;
        Ok(Self { child, address, store, _folder: folder })
    }

    /// Without being signed in.
    ///
    /// # Errors
    /// Where there is no answer.
    pub fn get(&self, path: &str) -> Result<Reply> {
        send(self.address, "GET", path, &[], b"")
    }

    /// Signs in.
    ///
    /// # Errors
    /// Where it is refused.
    pub fn sign_in(&self, name: &str) -> Result<Session> {
        let form = format!("name={name}&password={}", PASSWORD.replace(' ', "+"));
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let reply = send(self.address, "POST", "/sign-in", &headers, form.as_bytes())?;
        ensure!(reply.status == 303, "sign-in: {} {}", reply.status, reply.text());
        let cookie = reply.header("set-cookie").context("no cookie")?;
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let mut session = Session { address: self.address, cookie, csrf: String::new() };
        session.csrf = session.get("/api/v1/session")?.json()?["csrf"].as_str().context("no secret")?.to_owned();
        Ok(session)
    }

    /// The alerts as the API lists them.
    ///
    /// # Errors
    /// Where there is no answer.
    pub fn alerts(&self, session: &Session, query: &str) -> Result<Vec<Value>> {
        let page = session.get(&format!("/api/v1/alerts?{query}"))?.json()?;
        page["items"].as_array().cloned().context("no items")
    }
}

/// Somebody who is signed in.
pub struct Session {
    address: SocketAddr,
    /// The cookie.
    pub cookie: String,
    /// The secret of writes.
    pub csrf: String,
}

impl Session {
    /// Reads.
    ///
    /// # Errors
    /// Where there is no answer.
    pub fn get(&self, path: &str) -> Result<Reply> {
        send(self.address, "GET", path, &[("cookie", &self.cookie)], b"")
    }

    /// Does something by the API.
    ///
    /// # Errors
    /// Where there is no answer.
    pub fn act(&self, method: &str, path: &str, body: &Value, more: &[(&str, &str)]) -> Result<Reply> {
        let mut headers =
            vec![("cookie", self.cookie.as_str()), ("x-csrf-token", &self.csrf), ("content-type", "application/json")];
        headers.extend(more);
        send(self.address, method, path, &headers, body.to_string().as_bytes())
    }

    /// Sends a form.
    ///
    /// # Errors
    /// Where there is no answer.
    pub fn form(&self, path: &str, fields: &str) -> Result<Reply> {
        let headers = [("cookie", self.cookie.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        send(self.address, "POST", path, &headers, format!("csrf={}&{fields}", self.csrf).as_bytes())
    }
}
