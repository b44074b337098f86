//! What takes time, prepared beside the writer from a snapshot: a sealed block out of tails, one run out of several.
//! Changes nothing; the writer swaps the result in.

use super::block::{Frame, Packer, Tail, block_head_bytes, encode_block, encode_columns};
use super::columns::Columns;
use super::digest::Digest;
use super::run::{Filter, PART_KEYS, RunMeta, decode_part, encode_part};
use super::snapshot::{Snapshot, Tails};
use super::volumes::{Volumes, volumes_of};
use super::{Change, Options, ReadError};
use std::iter::Peekable;

/// Work for a worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Job(pub(super) Work);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Work {
    /// Seal whole tails into blocks of just under `Options::block_bytes`.
    Seal {
        from: u64,
        to: u64,
        /// The most blocks, at least one.
        blocks: usize,
        /// A last block that is far from full and is sealed again with what follows.
        join: Option<u64>,
        options: Options,
        /// Stored bytes per byte of text, as last seen.
        ratio: f64,
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
    /// Whether the same job brings another block after this one.
    pub(super) more: bool,
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
    /// Consecutive parts of a run, from one on.
    RunParts {
        run: u64,
        from: u32,
        parts: Vec<Vec<u8>>,
    },
    Merge(Box<MergedRun>),
}

impl From<Prepared> for Change {
    fn from(prepared: Prepared) -> Change {
        match prepared {
            Prepared::Seal(sealed) => Change::Seal(sealed),
            Prepared::RunParts { run, from, parts } => Change::RunParts { run, from, parts },
            Prepared::Merge(merged) => Change::Merge(merged),
        }
    }
}

/// What text that is still to be compressed is taken for, beyond what was last seen: too little wastes half a page.
const GUESS: f64 = 1.15;
/// Parts of a run that go into one commit: about a mebibyte.
const PARTS_AT_ONCE: usize = 4;
/// Room for redb's own bytes in the page that holds the value.
const PAGE_OVERHEAD: usize = 256;

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
            Work::Seal { from, to, blocks, mut join, options, mut ratio } => {
                let mut packer = Packer::new(options.compression).map_err(ReadError::Compress)?;
                let mut tails = snapshot.tails_from(from, to)?.peekable();
                let mut first = from;
                for left in (0..blocks).rev() {
                    let mut sealed = seal(snapshot, &mut tails, first, join.take(), &options, ratio, &mut packer)?;
                    sealed.more = left > 0 && tails.peek().is_some();
                    (first, ratio) = (sealed.end, sealed.ratio);
                    let more = sealed.more;
                    deliver(Prepared::Seal(Box::new(sealed)))?;
                    if !more {
                        break;
                    }
                }
                Ok(())
            }
            Work::Merge { output, level, inputs, epoch_end } => {
                merge(snapshot, output, level, inputs, epoch_end, &mut deliver)
            }
        }
    }
}

/// Seals the next tails, the first of which begins at `from`.
fn seal(
    snapshot: &Snapshot,
    tails: &mut Peekable<Tails>,
    from: u64,
    join: Option<u64>,
    options: &Options,
    ratio: f64,
    packer: &mut Packer,
) -> Result<Sealed, ReadError> {
    let (mut columns, mut lengths, frames) = match join {
        Some(first) => {
            let (columns, lengths) = snapshot.block_columns(first)?;
            (columns, lengths, snapshot.block_frames(first)?)
        }
        None => Default::default(),
    };
    let first = join.unwrap_or(from);
    let joined = columns.len();
    let mut text = Gathered::reopen(frames, options.frame_bytes(), ratio, first)?;
    let mut fingerprints = Vec::new();
    let limit = (options.block_bytes - PAGE_OVERHEAD) as f64;
    // At least one tail, or sealing would not move on. An error is taken out and ends the job.
    let fits = |text: &Gathered, tail: &Tail| {
        text.size_with(&tail.frames) <= limit && text.text_bytes + tail.text_bytes() <= text_limit(options.block_bytes)
    };
    while let Some(tail) = tails
        .next_if(|tail| fingerprints.is_empty() || tail.as_ref().map_or(true, |tail| fits(&text, tail)))
        .transpose()?
    {
        columns.extend(&tail.columns);
        lengths.extend_from_slice(&tail.lengths);
        fingerprints.extend_from_slice(&tail.fingerprints);
        tail.frames.into_iter().try_for_each(|frame| text.add(frame, packer))?;
    }
    let text_bytes = text.text_bytes;
    let frames = text.close(packer)?;
    let fresh = columns.tail_from(joined);
    let stored: usize = frames.iter().map(|frame| frame.bytes.len()).sum();
    Ok(Sealed {
        first,
        end: first + columns.len() as u64,
        replaces: join,
        text: encode_block(&frames),
        columns: encode_columns(&columns, &lengths, packer).map_err(ReadError::Compress)?,
        digest: Digest::of(&columns, text_bytes),
        // The rows of a block that is sealed again are in its volumes and its run already.
        volumes: volumes_of(&fresh),
        run: sorted_run(fingerprints, &fresh, first + joined as u64),
        ratio: stored as f64 / text_bytes.max(1) as f64,
        more: false,
    })
}

/// The frames of a block in the making. What tails hold compressed is taken as it is; the text of small ones is gathered
/// and compressed together.
struct Gathered {
    frames: Vec<Frame>,
    open: Vec<u8>,
    text_bytes: usize,
    stored: usize,
    frame_bytes: usize,
    ratio: f64,
}

impl Gathered {
    /// Goes on with the frames of a block; the last is opened again if it is small.
    fn reopen(frames: Vec<Frame>, frame_bytes: usize, ratio: f64, first: u64) -> Result<Gathered, ReadError> {
        let text_bytes = frames.iter().map(|frame| frame.text_bytes).sum();
        let mut gathered = Gathered { frames, open: Vec::new(), text_bytes, stored: 0, frame_bytes, ratio };
        if let Some(last) = gathered.frames.pop_if(|last| last.text_bytes < frame_bytes / 2) {
            gathered.open = last.text(first)?.into_owned();
        }
        gathered.stored = gathered.frames.iter().map(|frame| frame.bytes.len()).sum();
        Ok(gathered)
    }

    /// The stored size with some more frames, as far as it can be told before compressing.
    fn size_with(&self, frames: &[Frame]) -> f64 {
        let (mut packed, mut open) = (0, self.open.len());
        for frame in frames {
            let sum = if frame.is_packed() { &mut packed } else { &mut open };
            *sum += frame.bytes.len();
        }
        // Text between frames that are packed already becomes a frame of its own.
        let most = self.frames.len() + 2 * frames.len() + 1;
        (block_head_bytes(most) + self.stored + packed) as f64 + open as f64 * self.ratio * GUESS
    }

    fn add(&mut self, frame: Frame, packer: &mut Packer) -> Result<(), ReadError> {
        self.text_bytes += frame.text_bytes;
        if frame.is_packed() {
            self.flush(packer)?;
            self.stored += frame.bytes.len();
            self.frames.push(frame);
            return Ok(());
        }
        if self.open.len() + frame.text_bytes > self.frame_bytes {
            self.flush(packer)?;
        }
        self.open.extend_from_slice(&frame.bytes);
        Ok(())
    }

    fn flush(&mut self, packer: &mut Packer) -> Result<(), ReadError> {
        if !self.open.is_empty() {
            let frame = packer.pack(&self.open).map_err(ReadError::Compress)?;
            self.open.clear();
            self.stored += frame.bytes.len();
            self.frames.push(frame);
        }
        Ok(())
    }

    fn close(mut self, packer: &mut Packer) -> Result<Vec<Frame>, ReadError> {
        self.flush(packer)?;
        Ok(self.frames)
    }
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
    let mut parts = Vec::new();
    while let Some(std::cmp::Reverse((key, at))) = heap.pop() {
        filter.insert(key);
        part.push(key);
        keys += 1;
        if part.len() == PART_KEYS {
            fence.push(part[0]);
            parts.push(encode_part(&part));
            part.clear();
        }
        if parts.len() == PARTS_AT_ONCE {
            let from = (fence.len() - parts.len()) as u32;
            deliver(Prepared::RunParts { run: output, from, parts: std::mem::take(&mut parts) })?;
        }
        sources[at].advance(snapshot)?;
        if let Some(next) = sources[at].peek() {
            heap.push(std::cmp::Reverse((next, at)));
        }
    }
    if !part.is_empty() {
        fence.push(part[0]);
        parts.push(encode_part(&part));
    }
    if !parts.is_empty() {
        let from = (fence.len() - parts.len()) as u32;
        deliver(Prepared::RunParts { run: output, from, parts })?;
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
