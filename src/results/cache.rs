//! Reports that were made lately, and what was gathered for them: the next one reads on from where the last one stopped, and
//! the same one again is not computed at all. Bounded in bytes; holds no log.

use super::options::Options;
use super::question::Question;
use super::report::Report;
use super::state::{Basis, State};
use super::{Log, ResultsError};
use crate::event::{Sequence, Timestamp};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many reports of one basis are kept: those of a page that switches between levels and views.
const REPORTS_OF_A_BASIS: usize = 8;
/// So many bases are kept however little each of them holds.
const BASES: usize = 256;

/// See the module.
pub struct Reports {
    bound: usize,
    /// The one used last comes last.
    kept: Mutex<Vec<Kept>>,
}

struct Kept {
    basis: Basis,
    /// What was gathered for it, in bytes as of the last report.
    bytes: usize,
    /// What its reports weigh, nearly.
    reports: usize,
    shared: Arc<Mutex<Shared>>,
}

/// What reports of one basis share. Whoever makes a report of it holds the lock, so that nothing is gathered twice.
struct Shared {
    state: State,
    made: Vec<Made>,
}

struct Made {
    question: Question,
    options: Options,
    /// The log's end.
    as_of: (Sequence, Option<Timestamp>),
    report: Arc<Report>,
    /// What the report weighs, nearly, and the units that were named.
    bytes: usize,
}

fn weigh(report: &Report, options: &Options) -> usize {
    let sets = options.units.only.iter().chain(&options.units.without);
    let named: usize = sets.map(|set| size_of_val(set.hashes.as_slice())).sum();
    named + report.bytes()
}

impl Reports {
    /// Holds what was gathered, and the reports made of it, up to so many bytes, all bases together.
    pub fn new(bound: usize) -> Reports {
        Reports { bound, kept: Mutex::new(Vec::new()) }
    }

    /// The report as of the log's end, or of a later one if somebody has made that meanwhile.
    pub fn report<L: Log + ?Sized>(
        &self,
        log: &L,
        question: &Question,
        options: &Options,
    ) -> Result<Arc<Report>, ResultsError> {
        let basis = Basis::of(log.terms(), question, options)?;
        let shared = self.enter(&basis);
        let mut guard = lock(&shared);
        let as_of = (log.next_sequence(), log.as_of_time());
        let is_asked = |made: &Made| made.question == *question && made.options == *options;
        if let Some(made) = guard.made.iter().find(|made| is_asked(made) && made.as_of.0 >= as_of.0) {
            return Ok(made.report.clone());
        }
        if guard.state.read_to() > as_of.0 {
            // This reader's log is older than what was read for another; it answers for itself.
            drop(guard);
            return State::new(basis).report(log, question, options, &|bytes| bytes <= self.bound).map(Arc::new);
        }
        let fits = |bytes| self.make_room(&basis, bytes);
        let report = guard.state.report(log, question, options, &fits).map(Arc::new);
        if let Ok(report) = &report {
            guard.made.retain(|made| !is_asked(made));
            let surplus = (guard.made.len() + 1).saturating_sub(REPORTS_OF_A_BASIS);
            guard.made.drain(..surplus);
            let bytes = weigh(report, options);
            let (question, options) = (question.clone(), options.clone());
            guard.made.push(Made { question, options, as_of, report: report.clone(), bytes });
        }
        // Of a reading that failed nothing is left, though it was counted while it grew.
        let (bytes, reports) = (guard.state.bytes(), guard.made.iter().map(|made| made.bytes).sum());
        drop(guard);
        self.leave(&basis, bytes, reports);
        report
    }

    fn enter(&self, basis: &Basis) -> Arc<Mutex<Shared>> {
        let mut kept = lock(&self.kept);
        let one = match kept.iter().position(|kept| kept.basis == *basis) {
            Some(at) => kept.remove(at),
            None => {
                let shared = Shared { state: State::new(basis.clone()), made: Vec::new() };
                Kept { basis: basis.clone(), bytes: 0, reports: 0, shared: Arc::new(Mutex::new(shared)) }
            }
        };
        let shared = one.shared.clone();
        kept.push(one);
        shared
    }

    /// Whether a basis may hold so many bytes while it is gathered. Others go for it at once: if they went when it is done,
    /// both would be there until then.
    fn make_room(&self, basis: &Basis, bytes: usize) -> bool {
        let mut kept = lock(&self.kept);
        if let Some(one) = kept.iter_mut().find(|kept| kept.basis == *basis) {
            one.bytes = bytes;
        }
        self.let_go(&mut kept, basis);
        bytes <= self.bound
    }

    fn leave(&self, basis: &Basis, bytes: usize, reports: usize) {
        let mut kept = lock(&self.kept);
        if let Some(one) = kept.iter_mut().find(|kept| kept.basis == *basis) {
            (one.bytes, one.reports) = (bytes, reports);
        }
        self.let_go(&mut kept, basis);
    }

    /// Lets those go that were not used for longest, until all together are within the bound. One stays whatever it holds.
    fn let_go(&self, kept: &mut Vec<Kept>, stays: &Basis) {
        let mut all: usize = kept.iter().map(|kept| kept.bytes + kept.reports).sum();
        let mut count = kept.len();
        kept.retain(|kept| {
            let goes = (all > self.bound || count > BASES) && kept.basis != *stays;
            if goes {
                all -= kept.bytes + kept.reports;
                count -= 1;
            }
            !goes
        });
    }

    /// How many bytes are held: what was gathered, and the reports made of it.
    pub fn bytes(&self) -> usize {
        lock(&self.kept).iter().map(|kept| kept.bytes + kept.reports).sum()
    }
}

/// A panic while a report was made leaves nothing half done: what was gathered is taken out before it is used.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
