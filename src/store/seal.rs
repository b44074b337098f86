//! What takes time, prepared beside the writer from a snapshot: a sealed block out of tails, one run out of several.
//! Changes nothing; the writer swaps the result in.

use super::block::{Digest, Tail, encode_columns, encode_text};
use super::columns::Columns;
use super::run::{Filter, PART_KEYS, RunMeta, decode_part, encode_part};
use super::snapshot::Snapshot;
use super::volumes::{Volumes, volumes_of};
use super::{Change, ReadError};

/// Work for a worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Job(pub(super) Work);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Work {
    /// Seal tails into one block of just under `block_bytes`.
    Seal {
        from: u64,
        to: u64,
        /// A last block that is far from full and is sealed again with what follows.
        join: Option<u64>,
        block_bytes: usize,
        ratio: f64,
        level: i32,
    },
    /// Merge runs of fingerprints into one behind a filter.
    Merge { output: u64, level: u8, inputs: Vec<(u64, RunMeta)>, epoch_end: Option<u64> },
}

/// A block ready to take the place of its tails.
#[derive(Debug)]
pub struct Sealed {
    pub(super) first: u64,
    pub(super) end: u64,
    pub(super) replaces: Option<u64>,
    pub(super) text: Vec<u8>,
    pub(super) columns: Vec<u8>,
    pub(super) digest: Digest,
    /// Of the newly sealed rows only.
    pub(super) volumes: Volumes,
    /// Of the newly sealed rows only.
    pub(super) run: SortedRun,
    pub(super) ratio: f64,
}

#[derive(Debug)]
pub(super) struct SortedRun {
    pub meta: RunMeta,
    pub parts: Vec<Vec<u8>>,
}

/// A merged run whose parts are already stored.
#[derive(Debug)]
pub struct MergedRun {
    pub(super) id: u64,
    /// `None` when there was nothing to merge and only the generation goes.
    pub(super) meta: Option<RunMeta>,
    pub(super) filter: Option<Filter>,
    pub(super) inputs: Vec<u64>,
    pub(super) epoch_end: Option<u64>,
}

/// A result of a job, in the order in which the writer must take them.
pub enum Prepared {
    Seal(Box<Sealed>),
    RunPart { run: u64, part: u32, keys: Vec<u8> },
    Merge(Box<MergedRun>),
}

impl From<Prepared> for Change {
    fn from(prepared: Prepared) -> Change {
        match prepared {
            Prepared::Seal(sealed) => Change::Seal(sealed),
            Prepared::RunPart { run, part, keys } => Change::RunPart { run, part, keys },
            Prepared::Merge(merged) => Change::Merge(merged),
        }
    }
}

/// The share of a full block that a first attempt aims at, so that it rarely has to be cut and compressed again.
const AIM: f64 = 0.97;
/// Room for redb's own bytes in the page that holds the value.
pub(super) const PAGE_OVERHEAD: usize = 256;

/// A block's text before compression stays below this many full blocks: whoever reads one row inflates all of them.
const TEXT_BLOCKS: usize = 16;

/// The most text that goes into one block, in bytes, unless a single row is longer.
pub(super) fn text_limit(block_bytes: usize) -> usize {
    block_bytes * TEXT_BLOCKS
}

/// Whether a last block is so far from full, in both measures, that it is sealed again with what follows.
pub(super) fn worth_joining(packed: usize, text_bytes: u64, block_bytes: usize) -> bool {
    packed < block_bytes / 4 && text_bytes < text_limit(block_bytes) as u64 / 4
}

impl Job {
    /// Does the work, handing each piece to `deliver` (which waits until the writer has it).
    pub fn run<E: From<ReadError>>(
        self,
        snapshot: &Snapshot,
        mut deliver: impl FnMut(Prepared) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.0 {
            Work::Seal { from, to, join, block_bytes, ratio, level } => {
                let sealed = seal(snapshot, from, to, join, block_bytes, ratio, level)?;
                deliver(Prepared::Seal(Box::new(sealed)))
            }
            Work::Merge { output, level, inputs, epoch_end } => {
                merge(snapshot, output, level, inputs, epoch_end, &mut deliver)
            }
        }
    }
}

fn seal(
    snapshot: &Snapshot,
    from: u64,
    to: u64,
    join: Option<u64>,
    block_bytes: usize,
    ratio: f64,
    level: i32,
) -> Result<Sealed, ReadError> {
    // The rows of a small block that is sealed again are in its volumes and its run already.
    let mut all = match join {
        Some(first) => {
            let (columns, lengths) = snapshot.block_columns(first)?;
            Tail { columns, lengths, fingerprints: Vec::new(), text: snapshot.block_text(first)? }
        }
        None => Tail::default(),
    };
    let first = join.unwrap_or(from);
    let joined = all.columns.len();
    let limit = block_bytes - PAGE_OVERHEAD;
    let mut wanted = ((limit as f64 * AIM / ratio) as usize).min(text_limit(block_bytes));
    snapshot.tails(from, to, &mut |tail| {
        all.columns.extend(&tail.columns);
        all.lengths.extend_from_slice(&tail.lengths);
        all.fingerprints.extend_from_slice(&tail.fingerprints);
        all.text.extend_from_slice(&tail.text);
        Ok(all.text.len() < wanted)
    })?;
    loop {
        let (keep, cut) = cut_at(&all.lengths, wanted, joined + 1);
        let packed = encode_text(&all.text[..cut], level).map_err(ReadError::Compress)?;
        let one_row = keep == joined + 1;
        if packed.len() > limit && !one_row {
            wanted = (cut as f64 * (limit as f64 / packed.len() as f64) * AIM) as usize;
            continue;
        }
        all.columns.truncate(keep);
        all.lengths.truncate(keep);
        all.fingerprints.truncate(keep - joined);
        let fresh = all.columns.tail_from(joined);
        return Ok(Sealed {
            first,
            end: first + keep as u64,
            replaces: join,
            columns: encode_columns(&all.columns, &all.lengths, level).map_err(ReadError::Compress)?,
            digest: Digest::of(&all.columns, cut),
            volumes: volumes_of(&fresh),
            run: sorted_run(all.fingerprints, &fresh, first + joined as u64),
            ratio: packed.len() as f64 / cut as f64,
            text: packed,
        });
    }
}

/// How many rows, and how many bytes of text, fit into `wanted` bytes; `least` rows at any rate, or sealing would not move on.
fn cut_at(lengths: &[u32], wanted: usize, least: usize) -> (usize, usize) {
    let (mut rows, mut bytes) = (0, 0);
    for &length in lengths {
        let end = bytes + length as usize;
        if rows >= least && end > wanted {
            break;
        }
        (rows, bytes) = (rows + 1, end);
    }
    (rows, bytes)
}

/// Fingerprints as a run of level 0.
fn sorted_run(mut fingerprints: Vec<u128>, columns: &Columns, first: u64) -> SortedRun {
    fingerprints.sort_unstable();
    let parts: Vec<Vec<u8>> = fingerprints.chunks(PART_KEYS).map(encode_part).collect();
    let meta = RunMeta {
        level: 0,
        keys: fingerprints.len() as u64,
        first,
        end: first + columns.len() as u64,
        newest: columns.received.iter().copied().max().unwrap_or(0),
        oldest: columns.received.iter().copied().min().unwrap_or(0),
        fence: fingerprints.chunks(PART_KEYS).map(|part| part[0]).collect(),
    };
    SortedRun { meta, parts }
}

fn merge<E: From<ReadError>>(
    snapshot: &Snapshot,
    output: u64,
    level: u8,
    inputs: Vec<(u64, RunMeta)>,
    epoch_end: Option<u64>,
    deliver: &mut impl FnMut(Prepared) -> Result<(), E>,
) -> Result<(), E> {
    let ids: Vec<u64> = inputs.iter().map(|(id, _)| *id).collect();
    let total: u64 = inputs.iter().map(|(_, meta)| meta.keys).sum();
    let mut sources = inputs
        .iter()
        .map(|(id, meta)| Cursor::open(snapshot, *id, meta.fence.len() as u32))
        .collect::<Result<Vec<_>, ReadError>>()?;
    let mut filter = Filter::with_capacity(total as usize);
    let mut fence = Vec::new();
    let mut part = Vec::with_capacity(PART_KEYS);
    let mut keys = 0;
    let mut heap: std::collections::BinaryHeap<std::cmp::Reverse<(u128, usize)>> = sources
        .iter()
        .enumerate()
        .filter_map(|(at, source)| source.peek().map(|key| std::cmp::Reverse((key, at))))
        .collect();
    let mut flush = |part: &mut Vec<u128>, fence: &mut Vec<u128>| -> Result<(), E> {
        let number = fence.len() as u32;
        fence.push(part[0]);
        let keys = encode_part(part);
        part.clear();
        deliver(Prepared::RunPart { run: output, part: number, keys })
    };
    while let Some(std::cmp::Reverse((key, at))) = heap.pop() {
        filter.insert(key);
        part.push(key);
        keys += 1;
        if part.len() == PART_KEYS {
            flush(&mut part, &mut fence)?;
        }
        sources[at].advance(snapshot)?;
        if let Some(next) = sources[at].peek() {
            heap.push(std::cmp::Reverse((next, at)));
        }
    }
    if !part.is_empty() {
        flush(&mut part, &mut fence)?;
    }
    let metas = || inputs.iter().map(|(_, meta)| meta);
    let meta = (keys > 0).then(|| RunMeta {
        level,
        keys,
        first: metas().map(|meta| meta.first).min().unwrap_or(0),
        end: metas().map(|meta| meta.end).max().unwrap_or(0),
        newest: metas().map(|meta| meta.newest).max().unwrap_or(0),
        oldest: metas().map(|meta| meta.oldest).min().unwrap_or(0),
        fence,
    });
    let filter = meta.is_some().then_some(filter);
    deliver(Prepared::Merge(Box::new(MergedRun { id: output, meta, filter, inputs: ids, epoch_end })))
}

/// Walks through a run's keys a part at a time.
struct Cursor {
    run: u64,
    parts: u32,
    next_part: u32,
    keys: std::vec::IntoIter<u128>,
    head: Option<u128>,
}

impl Cursor {
    fn open(snapshot: &Snapshot, run: u64, parts: u32) -> Result<Cursor, ReadError> {
        let mut cursor = Cursor { run, parts, next_part: 0, keys: Vec::new().into_iter(), head: None };
        cursor.advance(snapshot)?;
        Ok(cursor)
    }

    fn peek(&self) -> Option<u128> {
        self.head
    }

    fn advance(&mut self, snapshot: &Snapshot) -> Result<(), ReadError> {
        self.head = self.keys.next();
        while self.head.is_none() && self.next_part < self.parts {
            let bytes = snapshot.run_part(self.run, self.next_part)?;
            self.keys = decode_part(&bytes, self.run)?.into_iter();
            self.next_part += 1;
            self.head = self.keys.next();
        }
        Ok(())
    }
}
