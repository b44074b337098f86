//! `weir demo`: a shop's visitors over some weeks, sent through the door of a real server, and the results beside the truth.
//! Everything shown is measured; only the visitors are made up.

mod child;
mod dice;
mod project;
mod shop;
mod truth;
mod wire;

use super::client::{Address, Call, Key};
use super::deliver::{Courier, Parcel, Patience};
use super::door::Door;
use super::place;
use super::progress::{Of, Progress};
use super::results::width;
use crate::clock::{Clock, SystemClock};
use crate::results::Report;
use anyhow::{Context, bail};
use child::Server;
use hyper::Method;
use indicatif::HumanCount;
use project::Keys;
use shop::{EXPERIMENT, GATE, Plan};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use wire::Bodies;

/// Connections that the events are sent over.
const CONNECTIONS: usize = 8;
/// How long a body is tried: the server is our own, and if it is gone it stays so.
const GIVE_UP_AFTER: Duration = Duration::from_secs(30);
/// How often the serving demo looks whether it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// People who visit the shop
    #[arg(long, env = "WEIR_DEMO_VISITORS", value_name = "N", default_value_t = 20_000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub visitors: u32,
    /// Days, the last of which is now
    #[arg(long, env = "WEIR_DEMO_DAYS", value_name = "N", default_value_t = 28,
          value_parser = clap::value_parser!(u32).range(1..=365))]
    pub days: u32,
    /// Another number makes other visitors
    #[arg(long, env = "WEIR_DEMO_SEED", value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Keep the store in this directory [default: a temporary one, removed at the end]
    #[arg(long, env = "WEIR_DEMO_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address of the demo's server
    #[arg(long, env = "WEIR_DEMO_LISTEN", value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    pub listen: String,
    /// Stop after the results instead of serving on
    #[arg(long, env = "WEIR_DEMO_ONCE")]
    pub once: bool,
}

pub fn run(args: &DemoArgs) -> anyhow::Result<()> {
    let stop = stop_signal()?;
    let keys = Keys::make(getrandom::fill).map_err(|error| anyhow::anyhow!("no randomness for keys: {error}"))?;
    let plan = Plan { seed: args.seed, visitors: args.visitors, days: args.days, end: SystemClock.now() };
    let folder = Folder::make(args.data.as_deref())?;
    let project =
        PrivateFile::write(folder.path.join("demo.project.json"), &project::file(&keys, plan.start(), plan.days))?;
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut server = Server::start(&program, &folder.path, &args.listen, &project.path)?;
    // The server has read it, and the keys in it are readable.
    project.remove()?;

    println!("{} visitors, {} days, seed {}", HumanCount(u64::from(plan.visitors)), plan.days, plan.seed);
    let shop = shop::simulate(&plan);
    let bodies = Bodies::of(&shop, plan.seed);
    let total = shop.happenings.len() as u64;
    let sent = send(bodies, total, &server.address, &keys.server, &stop)?;
    println!("{}", sent.told());
    if !stop.load(Ordering::SeqCst) {
        show_results(&folder.path, plan.seed)?;
    }
    if !args.once {
        println!("{}", where_to_look(&server.address.clone(), server.said(), &keys, &folder.path));
        serve_on(&mut server, &stop)?;
    }
    server.stop().context("cannot stop the demo's server")
}

/// What went through the door, and how fast.
struct Sent {
    events: u64,
    bytes: u64,
    took: Duration,
}

impl Sent {
    fn told(&self) -> String {
        let seconds = self.took.as_secs_f64().max(0.001);
        format!(
            "sent {} events ({}) over {CONNECTIONS} connections in {seconds:.1} s: {} events/s, each on disk before it was acknowledged",
            HumanCount(self.events),
            indicatif::HumanBytes(self.bytes),
            HumanCount((self.events as f64 / seconds) as u64)
        )
    }
}

fn send(bodies: Bodies, total: u64, address: &Address, key: &str, stop: &AtomicBool) -> anyhow::Result<Sent> {
    let started = Instant::now();
    let patience = Patience { give_up_after: GIVE_UP_AFTER, ..Patience::default() };
    let mut courier: Courier<u64> = Courier::start(address, CONNECTIONS, patience)?;
    let mut progress = Progress::start("sending", Of::Events, Some(total));
    let mut sent = Sent { events: 0, bytes: 0, took: Duration::ZERO };
    let mut arrived = |delivered: super::deliver::Delivered<u64>| {
        sent.events += delivered.tag;
        progress.advance(delivered.tag);
    };
    let mut bytes = 0;
    for body in bodies.take_while(|_| !stop.load(Ordering::SeqCst)) {
        bytes += body.json.len() as u64;
        let call =
            Call { method: Method::POST, path: body.path.to_owned(), key: Key(key.to_owned()), body: body.json.into() };
        // Why it was not taken comes with what arrived.
        if courier.send(Parcel { call, tag: body.events }).is_err() {
            break;
        }
        while let Some(outcome) = courier.arrived() {
            arrived(outcome?);
        }
    }
    while let Some(outcome) = courier.last_ones() {
        arrived(outcome?);
    }
    Ok(Sent { bytes, took: started.elapsed(), ..sent })
}

fn show_results(data: &Path, seed: u64) -> anyhow::Result<()> {
    let Some(client) = place::running(data)? else { bail!("the demo's server has gone") };
    let door = Door::Running(client);
    let mut reports: Vec<Report> = Vec::new();
    for name in [EXPERIMENT, GATE] {
        let Some(report) = door.report(name, None, &[])? else { bail!("the server does not know `{name}`") };
        println!("\n{}", crate::results::render(&report, width()));
        reports.push(report);
    }
    print!("{}", truth::beside(&reports, seed));
    Ok(())
}

fn where_to_look(address: &Address, said: &[String], keys: &Keys, data: &Path) -> String {
    let console = console_link(address, said);
    let link = console.map(|link| format!("  console        {link}\n")).unwrap_or_default();
    let (server, console) = (&keys.server, &keys.console);
    let data = data.display();
    format!(
        "
The server keeps running. Look around:
  address        {address}
{link}
  weir results {EXPERIMENT} --data {data}
  curl -s -H 'statsig-api-key: {console}' '{address}/console/v1/experiments/{EXPERIMENT}/results'
  curl -s -H 'statsig-api-key: {console}' '{address}/console/v1/events?limit=5'
  curl -s -u '{server}:' -d '{{\"event\":\"Hello\",\"userId\":\"you\"}}' '{address}/v1/track'

Ctrl-C stops it."
    )
}

/// The one-time link that a server prints at its start: the only address with something behind it, the curl line aside.
fn console_link<'a>(address: &Address, said: &'a [String]) -> Option<&'a str> {
    let start = format!("{address}/");
    let lines = said.iter().filter(|line| !line.contains("curl "));
    lines.flat_map(|line| line.split_whitespace()).find(|word| word.starts_with(&start) && word.len() > start.len())
}

fn serve_on(server: &mut Server, stop: &AtomicBool) -> anyhow::Result<()> {
    while !stop.load(Ordering::SeqCst) {
        if let Some(status) = server.ended()? {
            // Ctrl-C reaches both, and the server may be the faster one.
            if status.success() {
                return Ok(());
            }
            bail!("the server ended by itself ({status})");
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Becomes true when somebody wants the demo to end: Ctrl-C or SIGTERM.
fn stop_signal() -> anyhow::Result<Arc<AtomicBool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let wanted = stop.clone();
    std::thread::Builder::new().name("stop signal".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        });
        wanted.store(true, Ordering::SeqCst);
    })?;
    Ok(stop)
}

/// A file that holds keys: for its owner only, and gone when it is dropped.
struct PrivateFile {
    path: PathBuf,
}

impl PrivateFile {
    fn write(path: PathBuf, text: &str) -> anyhow::Result<PrivateFile> {
        use std::io::Write;
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        let write = |path: &Path| {
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
            // A file that was there already kept its own mode.
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
            file.write_all(text.as_bytes())
        };
        let shown = path.display().to_string();
        // Made before it is written, so that half of a file goes as well.
        let file = PrivateFile { path };
        write(&file.path).with_context(|| format!("cannot write {shown}"))?;
        Ok(file)
    }

    fn remove(self) -> anyhow::Result<()> {
        std::fs::remove_file(&self.path).with_context(|| format!("cannot remove {}", self.path.display()))
    }
}

impl Drop for PrivateFile {
    fn drop(&mut self) {
        // Where the server did not start, its own error is the one to tell.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The demo's directory; a temporary one goes when the demo does.
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn make(given: Option<&Path>) -> anyhow::Result<Folder> {
        use std::os::unix::fs::DirBuilderExt;
        let (path, temporary) = match given {
            Some(path) => (path.to_owned(), false),
            None => (std::env::temp_dir().join(format!("weir-demo-{}", std::process::id())), true),
        };
        let made = std::fs::DirBuilder::new().recursive(!temporary).mode(0o700).create(&path);
        made.with_context(|| format!("cannot make the directory {}", path.display()))?;
        Ok(Folder { path, temporary })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            // What stays in the system's temporary directory is the system's to remove.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake_server::{FakeServer, Reply};
    use crate::event::Timestamp;

    #[test]
    fn every_event_goes_through_the_door_with_the_key() {
        let server = FakeServer::start(|_| Reply::json(200, r#"{"success":true}"#));
        let plan = Plan { seed: 1, visitors: 200, days: 28, end: Timestamp(1_795_438_699_353) };
        let shop = shop::simulate(&plan);
        let total = shop.happenings.len() as u64;
        let bodies = Bodies::of(&shop, 1);
        let sent = send(bodies, total, &server.address(), "secret-1", &AtomicBool::new(false)).unwrap();
        assert_eq!(sent.events, total);
        let requests = server.requests();
        let events = |path: &str, list: &str| -> usize {
            let bodies = requests.iter().filter(|asked| asked.path == path).map(|asked| asked.json());
            bodies.map(|body| body[list].as_array().unwrap().len()).sum()
        };
        assert_eq!((events("/v1/batch", "batch") + events("/v1/log_event", "events")) as u64, total);
        assert!(requests.iter().all(|asked| asked.header("statsig-api-key") == Some("secret-1")));
        assert!(requests.iter().all(|asked| asked.header("statsig-client-time").is_none()));
    }

    #[test]
    fn it_stops_when_told_and_fails_when_refused() {
        let server = FakeServer::start(|_| Reply::json(401, r#"{"message":"no such key"}"#));
        let plan = Plan { seed: 1, visitors: 50, days: 2, end: Timestamp(1_795_438_699_353) };
        let shop = shop::simulate(&plan);
        let stopped = send(Bodies::of(&shop, 1), 1, &server.address(), "k", &AtomicBool::new(true)).unwrap();
        assert_eq!(stopped.events, 0);
        let error = send(Bodies::of(&shop, 1), 1, &server.address(), "k", &AtomicBool::new(false)).err().unwrap();
        assert!(error.to_string().ends_with("401 Unauthorized: no such key"), "{error}");
    }

    #[test]
    fn it_tells_where_to_look_with_the_servers_own_link() {
        let address: Address = "http://127.0.0.1:9".parse().unwrap();
        let said = [
            "address  http://127.0.0.1:9".to_owned(),
            "curl -u k: http://127.0.0.1:9/v1/track".to_owned(),
            "console  http://127.0.0.1:9/login?token=abc".to_owned(),
        ];
        assert_eq!(console_link(&address, &said), Some("http://127.0.0.1:9/login?token=abc"));
        assert_eq!(console_link(&address, &said[..2]), None);
        let keys = Keys { server: "secret-1".into(), console: "console-1".into() };
        let text = where_to_look(&address, &said, &keys, Path::new("/d"));
        assert!(
            text.contains(
                "curl -s -u 'secret-1:' -d '{\"event\":\"Hello\",\"userId\":\"you\"}' 'http://127.0.0.1:9/v1/track'"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_temporary_directory_is_private_and_goes_away() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::make(None).unwrap();
        let path = folder.path.clone();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let mode = |name: &str| std::fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
        let keys = PrivateFile::write(path.join("keys"), "k").unwrap();
        assert_eq!(mode("keys"), 0o600);
        keys.remove().unwrap();
        assert!(!path.join("keys").exists());
        std::fs::write(path.join("earlier"), "everybody may read this").unwrap();
        std::fs::set_permissions(path.join("earlier"), std::fs::Permissions::from_mode(0o644)).unwrap();
        let earlier = PrivateFile::write(path.join("earlier"), "k").unwrap();
        assert_eq!(mode("earlier"), 0o600);
        drop(earlier);
        assert!(!path.join("earlier").exists());
        drop(folder);
        assert!(!path.exists());
        let kept = tempfile::tempdir().unwrap();
        drop(Folder::make(Some(kept.path())).unwrap());
        assert!(kept.path().exists());
    }
}
