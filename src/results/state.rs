//! What was gathered for a question, from which a report is made and which is read on when the log has grown.

use super::analysis::{self, Scene};
use super::carried::Carried;
use super::gather::{Gathered, Order};
use super::health;
use super::metric::{self, Needs};
use super::options::{Breakdown, Options};
use super::question::{Design, Question, Split};
use super::report::{self, Analysis, AsOf, Report, Used, Window};
use super::tally::Clockwork;
use super::units::Exposures;
use super::{Log, Period, ResultsError};
use crate::event::{Sequence, Timestamp};
use crate::store::Terms;
use std::sync::Arc;

/// What decides of what is gathered. Reports of an equal basis are made of the same, whatever their options beside it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Basis {
    order: Order,
    name: String,
    aliases: Vec<String>,
    holdouts: Vec<String>,
    design: Design,
}

impl Basis {
    pub fn of(terms: &Terms, question: &Question, options: &Options) -> Result<Basis, ResultsError> {
        // Refused here, before anything is read.
        question.splits(options)?;
        let needs = Needs::of(question, options, terms);
        // Which names have most volume is known once all are gathered.
        let names_known =
            !options.metrics.is_empty() || !options.automatic || matches!(options.breakdown, Some(Breakdown::Event(_)));
        Ok(Basis {
            order: Order {
                id_type: question.id_type.clone(),
                environment: options.environment.clone(),
                start: options.start.or(question.start),
                end: options.end.or(question.end),
                names: names_known.then_some(needs.plain),
                filtered: needs.filtered,
                any: needs.any,
                breakdown: options.breakdown.clone(),
                texts: options.units.texts.clone(),
            },
            name: question.name.clone(),
            aliases: question.aliases.clone(),
            holdouts: question.holdouts.clone(),
            design: question.design.clone(),
        })
    }
}

/// What a report leaves for the next one of the same question.
struct Left {
    question: Question,
    options: Options,
    splits: Vec<(Split, Carried)>,
}

/// See the module.
pub(super) struct State {
    basis: Basis,
    /// Nothing yet, or nothing any more.
    gathered: Option<Gathered>,
    /// What the last report left.
    left: Option<Left>,
    /// Whether what the basis asks for is known not to fit into memory, so that only exposed units are gathered.
    too_large: bool,
}

impl State {
    pub fn new(basis: Basis) -> State {
        State { basis, gathered: None, left: None, too_large: false }
    }

    /// How many bytes are held.
    pub fn bytes(&self) -> usize {
        let carried = self.left.iter().flat_map(|left| &left.splits).map(|(_, carried)| carried.bytes());
        self.gathered.as_ref().map_or(0, Gathered::bytes) + carried.sum::<usize>()
    }

    /// The end of what was read.
    pub fn read_to(&self) -> Sequence {
        self.gathered.as_ref().map_or(Sequence(0), Gathered::read_to)
    }

    /// The report as of the log's end. `fits` tells whether so many bytes may be held; it is asked while they grow.
    pub fn report<L: Log + ?Sized>(
        &mut self,
        log: &L,
        question: &Question,
        options: &Options,
        fits: &dyn Fn(usize) -> bool,
    ) -> Result<Report, ResultsError> {
        let period = Period::of(log, question, options)?;
        // Taken out: what a failed read left behind must not be read on.
        let left = self.left.take().filter(|left| left.question == *question && left.options == *options);
        let (mut gathered, before) = match self.gathered.take().filter(|gathered| gathered.can_end(period.until)) {
            Some(gathered) => (gathered, left.map_or_else(Vec::new, |left| left.splits)),
            None => (self.nothing(question)?, Vec::new()),
        };
        self.too_large |= !self.too_large && !gathered.read_on(log, period.until, fits)?;
        if self.too_large {
            drop(gathered);
            gathered = self.nothing(question)?;
            gathered.read_exposed_only(log, period.until)?;
        }
        let (report, splits) = conclude(log, question, options, &period, &gathered, before)?;
        if !self.too_large {
            self.gathered = Some(gathered);
            self.left = Some(Left { question: question.clone(), options: options.clone(), splits });
        }
        Ok(report)
    }

    fn nothing(&self, question: &Question) -> Result<Gathered, ResultsError> {
        let question = Arc::new(question.clone());
        let exposures = |split| Exposures::new(question.clone(), Arc::new(split));
        Ok(Gathered::new(self.basis.order.clone(), question.all_splits()?.into_iter().map(exposures).collect()))
    }
}

fn conclude<L: Log + ?Sized>(
    log: &L,
    question: &Question,
    options: &Options,
    period: &Period,
    gathered: &Gathered,
    mut before: Vec<(Split, Carried)>,
) -> Result<(Report, Vec<(Split, Carried)>), ResultsError> {
    let terms = log.terms();
    let metrics = metric::chosen(question, options, terms, gathered.volumes());
    let as_of = log.as_of_time();
    let sequential = analysis::is_sequential(question, options, as_of.map(|time| time.0));
    let scene = Scene {
        question,
        options,
        terms,
        gathered,
        metrics: &metrics,
        clock: Clockwork::new(options, period.start.map(|start| start.0), period.until.0),
        sequential,
        as_of: as_of.map(|time| time.0),
    };
    let mut analyses: Vec<Analysis> = Vec::new();
    let mut left = Vec::new();
    for split in question.splits(options)? {
        let known = before.iter().position(|(of, _)| *of == split);
        let known = known.map(|at| before.swap_remove(at).1);
        if let Some((mut analysis, carried)) = scene.analysis(&split, known) {
            health::name_suspects(log, &scene, &split, &mut analysis)?;
            analyses.push(analysis);
            left.push((split, carried));
        }
    }
    let analysis = if analyses.len() == 1 { analyses.pop() } else { None };
    let ms = |time: Option<Timestamp>| time.map(|time| time.0);
    let report = Report {
        version: report::VERSION,
        kind: question.kind(),
        name: question.name.clone(),
        id_type: question.id_type.clone(),
        as_of: AsOf { sequence: log.next_sequence().0.checked_sub(1), time: ms(as_of) },
        window: Window { start: ms(period.start), end: ms(period.end) },
        options: Used::of(options, sequential),
        analysis,
        rules: analyses,
    };
    Ok((report, left))
}
