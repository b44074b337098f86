//! The disk: what it can do by itself, and how much of it the server takes.

use anyhow::{Context, ensure};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};
use weir::cli::load::Histogram;

const PROBE_WRITES: usize = 200;
const PROBE_BYTES: usize = 64 * 1024;

/// How long the disk takes for 64 KB and an fdatasync.
#[derive(Debug, Clone, Copy)]
pub struct Fsync {
    pub p50: Duration,
    pub p99: Duration,
}

/// Appends 200 times 64 KB to a file in `folder`, each with an fdatasync.
pub fn probe(folder: &Path) -> anyhow::Result<Fsync> {
    let path = folder.join("fsync.probe");
    let mut file = std::fs::File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    let mut block = vec![0; PROBE_BYTES];
    getrandom::fill(&mut block).context("the system gives no random bytes")?;
    let mut times = Histogram::default();
    for _ in 0..PROBE_WRITES {
        let started = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.record(started.elapsed());
    }
    std::fs::remove_file(&path)?;
    Ok(Fsync { p50: times.quantile(0.5), p99: times.quantile(0.99) })
}

/// Bytes of all files below `folder`: by their lengths, and as the file system allocated them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    pub length: u64,
    pub allocated: u64,
}

pub fn usage(folder: &Path) -> anyhow::Result<Usage> {
    let mut sum = Usage::default();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let meta = entry.metadata()?;
        let part = if meta.is_dir() {
            usage(&entry.path())?
        } else {
            // st_blocks counts units of 512 bytes whatever the file system's block size.
            Usage { length: meta.len(), allocated: meta.blocks() * 512 }
        };
        sum.length += part.length;
        sum.allocated += part.allocated;
    }
    Ok(sum)
}

/// The type of the file system that holds `folder`; refuses one in memory, where an fsync costs nothing.
pub fn file_system(folder: &Path) -> anyhow::Result<String> {
    let folder = folder.canonicalize()?;
    let mounts = std::fs::read_to_string("/proc/mounts")?;
    let (_, kind) = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(point, _)| folder.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .context("no mount point")?;
    ensure!(!matches!(kind, "tmpfs" | "ramfs"), "{} is in memory ({kind}); use --folder on a disk", folder.display());
    Ok(kind.to_owned())
}
