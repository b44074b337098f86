//! What the worker should prepare next: a merge of runs that is due, or tails that fill blocks. Prepares nothing itself.

use super::Appender;
use crate::store::run::RunMeta;
use crate::store::seal::{Job, Work, text_limit};

impl Appender {
    /// What a worker should prepare next, if anything; at most one job runs at a time. `quiet`: nothing has arrived for a while.
    pub fn next_job(&mut self, quiet: bool) -> Option<Job> {
        if self.job_running {
            return None;
        }
        let job = self.merge_job().or_else(|| self.seal_job(quiet))?;
        self.job_running = true;
        Some(job)
    }

    fn merge_job(&mut self) -> Option<Job> {
        let (level, inputs) = self.dedupe.merge_due(self.sealed)?;
        let epoch_end = if level == 1 { self.dedupe.oldest_epoch_end() } else { None };
        let metas: Vec<(u64, RunMeta)> =
            inputs.iter().filter_map(|&id| self.dedupe.run(id).map(|run| (id, run.meta.clone()))).collect();
        let output = self.next_run;
        self.next_run += 1;
        self.merging = Some(output);
        Some(Job(Work::Merge { output, level, inputs: metas, epoch_end }))
    }

    fn seal_job(&self, quiet: bool) -> Option<Job> {
        if self.tails.is_empty() {
            return None;
        }
        let block_bytes = self.options.block_bytes;
        let text = self.unsealed_bytes() + self.last_block.map_or(0, |(_, bytes)| bytes);
        let full = text as f64 * self.ratio >= block_bytes as f64 || text >= text_limit(block_bytes) as u64;
        let worthwhile = text as f64 * self.ratio >= block_bytes as f64 / 4.0;
        let settle = quiet && (self.tails.len() >= self.options.quiet_tails || worthwhile);
        if !full && !settle {
            return None;
        }
        let full_blocks = text as f64 * self.ratio / block_bytes as f64;
        Some(Job(Work::Seal {
            from: self.sealed,
            to: self.next,
            blocks: (full_blocks as usize).clamp(1, BLOCKS_A_JOB),
            join: self.last_block.map(|(first, _)| first),
            options: self.options,
            ratio: self.ratio,
        }))
    }
}

/// A job reads one snapshot, which keeps what it sees from being written over: it must not take too long.
const BLOCKS_A_JOB: usize = 16;
