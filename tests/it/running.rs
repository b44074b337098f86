//! The real program as a server: started on a data directory of its own, spoken to over HTTP, stopped, killed, started
//! again. Knows no rule of what it answers.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a test waits for what must happen before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Keys that `project` brings.
pub const SERVER_KEY: &str = "secret-it00000000000000000000001";
pub const CLIENT_KEY: &str = "client-it00000000000000000000001";
pub const CONSOLE_KEY: &str = "console-it0000000000000000000001";
pub const VIEWER_KEY: &str = "console-it0000000000000000000002";

/// A project file with a key of each type; tests add what they need.
pub fn project() -> Value {
    json!({
        "keys": [
            {"description": "server", "type": "SERVER", "key": SERVER_KEY},
            {"description": "browser", "type": "CLIENT", "key": CLIENT_KEY},
            {"description": "automation", "type": "CONSOLE", "key": CONSOLE_KEY, "role": "admin"},
            {"description": "dashboard", "type": "CONSOLE", "key": VIEWER_KEY, "role": "viewer"},
        ],
    })
}

/// `weir` in a folder, with no setting from the environment.
pub fn weir(folder: &Path) -> Command {
    weir_by(env!("CARGO_BIN_EXE_weir"), folder)
}

fn weir_by(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WEIR_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Waits until a condition holds.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// RFC 1952, as SDKs compress.
pub fn gzip(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes.as_ref()).expect("a Vec takes everything");
    encoder.finish().expect("a Vec takes everything")
}

/// RFC 8878, as SDKs compress.
pub fn zstd(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::encode_all(bytes.as_ref(), 3).expect("a Vec takes everything")
}

/// Base64, the last character first, as Statsig's browser SDKs write it.
pub fn reversed_base64(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    BASE64_STANDARD.encode(bytes).into_bytes().into_iter().rev().collect()
}

/// A running server. Dropping it kills it and removes its data.
pub struct Server {
    folder: TempDir,
    flags: Vec<String>,
    /// What the shell that becomes the server does first.
    limits: Option<String>,
    child: Option<Child>,
    pub address: SocketAddr,
}

impl Server {
    /// Starts on an empty data directory with a project file, and waits until it is ready.
    pub fn start(project: &Value) -> Server {
        Server::start_with(project, &[])
    }

    /// The same with further flags of `weir serve`.
    pub fn start_with(project: &Value, flags: &[&str]) -> Server {
        let folder = tempfile::tempdir().expect("a temporary directory");
        fs::write(folder.path().join("project.json"), project.to_string()).expect("a file in it");
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Server { folder, flags, limits: None, child: None, address };
        server.restart();
        server
    }

    /// Starts again on the same data directory, at another address. Kills what still runs.
    pub fn restart(&mut self) {
        self.launch();
        self.await_ready();
    }

    /// From its next start on the server lives under limits, set by a shell (`ulimit -n 64`); `None` lifts them.
    pub fn limit(&mut self, limits: Option<&str>) {
        self.limits = limits.map(str::to_owned);
    }

    /// Starts again without waiting until it is ready.
    pub fn launch(&mut self) {
        self.kill();
        let folder = self.folder.path();
        // What is printed is of this start; the log goes on.
        let printed = File::create(folder.join("stdout")).expect("a file");
        let logged = OpenOptions::new().create(true).append(true).open(folder.join("stderr")).expect("a file");
        let mut command = weir(folder);
        if let Some(limits) = &self.limits {
            let program = command.get_program().to_owned();
            command = weir_by("sh", folder);
            command.arg("-c").arg(format!("{limits}; exec \"$0\" \"$@\"")).arg(program);
        }
        command.args(["serve", "--data", "data", "--listen", "127.0.0.1:0", "--project", "project.json"]);
        self.child = Some(command.args(&self.flags).stdout(printed).stderr(logged).spawn().expect("weir starts"));
    }

    /// Waits until a server that was launched is ready, and learns its address.
    pub fn await_ready(&mut self) {
        let mut address = None;
        until("the server is ready", || {
            let printed = self.printed();
            let mut lines = printed.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            address = lines.find_map(|line| line.trim_end().strip_prefix("listening on http://")?.parse().ok());
            address.is_some() || self.has_ended()
        });
        self.address = address.unwrap_or_else(|| panic!("it ended before it was ready: {}", self.logged()));
    }

    /// Asks it to stop (SIGTERM) and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        self.ask_to_stop();
        self.await_end()
    }

    /// Waits until it has ended by itself.
    pub fn await_end(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let mut ended = None;
        until("the server has stopped", || {
            ended = child.try_wait().expect("a child of ours");
            ended.is_some()
        });
        ended.expect("waited for")
    }

    /// Sends SIGTERM and goes on.
    pub fn ask_to_stop(&self) {
        // The standard library can only kill; the shell's kill asks.
        let id = self.child.as_ref().expect("it runs").id().to_string();
        let asked = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &id]).status();
        assert!(asked.is_ok_and(|status| status.success()), "cannot signal the server");
    }

    /// Ends it at once (SIGKILL), if it runs.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            child.wait().expect("a child of ours");
        }
    }

    /// Of its process, while it runs.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().expect("a child of ours").is_some())
    }

    /// Where `data`, `project.json`, `stdout` and `stderr` are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// Standard output since it was last started, up to its last line of greeting.
    pub fn greeting(&self) -> String {
        until("the server has said how to begin", || self.printed().contains("/v1/track\n"));
        self.printed()
    }

    /// Standard output since it was last started.
    fn printed(&self) -> String {
        fs::read_to_string(self.folder.path().join("stdout")).expect("weir prints UTF-8")
    }

    /// Standard error of all its starts.
    pub fn logged(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).expect("weir logs UTF-8")
    }

    /// Runs another command of `weir` on its data directory.
    pub fn command(&self, line: &[&str]) -> Output {
        weir(self.folder.path()).args(line).output().expect("weir starts")
    }

    pub fn connect(&self) -> Connection {
        Connection::to(self.address).expect("the server listens")
    }

    /// One request over a connection of its own.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
        self.connect().ask(method, path, headers, body.as_ref()).expect("an answer")
    }

    /// Sends JSON with the server key.
    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.ask("POST", path, &[("statsig-api-key", SERVER_KEY)], body)
    }

    /// Asks the console API with the admin's key.
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[("statsig-api-key", CONSOLE_KEY)], "")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The code of a refusal, whose shape is checked.
    pub fn code(&self) -> String {
        let body = self.json();
        assert_eq!(body["success"], false, "{body}");
        assert!(body["message"].as_str().is_some_and(|message| message.len() > 10), "{body}");
        assert_eq!(body["message"], body["error"], "{body}");
        body["code"].as_str().expect("a code").to_owned()
    }
}

/// A connection that is kept between requests.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    pub fn to(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Connection(BufReader::new(stream)))
    }

    /// Sends a request with a body of known length and reads the answer.
    pub fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: weir\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        self.send(request.as_bytes())?;
        self.send(body)?;
        self.answer(method)
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Reads an answer whose length is announced.
    pub fn answer(&mut self, method: &str) -> io::Result<Answer> {
        let mut answer = self.head()?;
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; if method == "HEAD" { 0 } else { length }];
        self.0.read_exact(&mut body)?;
        answer.body = String::from_utf8(body).map_err(io::Error::other)?;
        Ok(answer)
    }

    /// Reads status and headers only: what follows is a stream.
    pub fn head(&mut self) -> io::Result<Answer> {
        let status = self.line()?;
        let code = status.get(9..12).and_then(|code| code.parse().ok());
        let status = code.ok_or_else(|| io::Error::other(format!("not a status: {status:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            match line.split_once(':') {
                Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
                None => return Ok(Answer { status, headers, body: String::new() }),
            }
        }
    }

    /// The next line without its end.
    pub fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}
