//! Who takes part: from exposures to units, each with its group and the moment of its first exposure. Counts what does
//! not count. Knows no metric.

use super::options::Crossovers;
use super::question::{Question, Split};
use super::roster::NOBODY;
use super::standing::{NotCounted, Verdict, circumstance, verdict, weighed};
use crate::event::{Subject, Timestamp};
use crate::store::Terms;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// When a unit met a group. The least comes first: at the same moment an override goes before groups, and groups keep
/// their order. An override has place 0, a group its own place + 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Meeting {
    time: Timestamp,
    /// The stage that the moment lies in.
    stage: u32,
    place: u16,
}

const OVERRIDE: u16 = 0;

impl Meeting {
    const NEVER: Meeting = Meeting { time: Timestamp::MAX, stage: u32::MAX, place: u16::MAX };
}

/// An exposure to anything, as the columns tell it.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeenExposure {
    pub subject: u32,
    pub time: Timestamp,
    /// The unit's number, or `NOBODY` without a unit of the wanted ID type.
    pub unit: u32,
    pub in_environment: bool,
    /// The code of its text, where units are told apart by one.
    pub text: Option<u32>,
    /// Whether it passes the conditions on its texts.
    pub passes: bool,
}

/// All exposures of an experiment or of one rule of a gate. A unit belongs to the stage that it was first met in: what it
/// meets later shows another treatment, and is not kept.
pub(super) struct Exposures {
    question: Arc<Question>,
    /// With the stages that are in question without options; which ones are is decided when units are settled.
    split: Arc<Split>,
    /// By subject.
    verdicts: Vec<Verdict>,
    /// By unit: the earliest meeting with the place that it was first read with, in the earliest stage.
    meetings: Vec<Meeting>,
    /// The earliest meetings with other places in that stage; few units have any.
    others: HashMap<u32, Vec<Meeting>>,
    /// By stage, then group: exposures that would count.
    counted: Vec<Vec<u64>>,
    not_counted: BTreeMap<NotCounted, u64>,
}

impl Exposures {
    pub fn new(question: Arc<Question>, split: Arc<Split>) -> Exposures {
        Exposures {
            verdicts: Vec::new(),
            meetings: Vec::new(),
            others: HashMap::new(),
            counted: Vec::new(),
            not_counted: BTreeMap::new(),
            question,
            split,
        }
    }

    /// The ID of the gate's rule that these are exposures to.
    pub fn rule(&self) -> Option<&str> {
        self.split.rule_id()
    }

    /// Judges the subjects that the log has by now.
    pub fn learn(&mut self, terms: &Terms) {
        let known = self.verdicts.len();
        self.verdicts.resize(terms.subjects.len() + 1, Verdict::Irrelevant);
        for (id, text) in terms.subjects.iter().skip(known.saturating_sub(1)) {
            if let Some(subject) = Subject::decode(text) {
                self.verdicts[id.0 as usize] = verdict(&self.question, &self.split, &subject);
            }
        }
    }

    fn verdict(&self, subject: u32) -> Verdict {
        self.verdicts.get(subject as usize).copied().unwrap_or(Verdict::Irrelevant)
    }

    /// Whether an exposure to this is one to the experiment or gate.
    pub fn is_relevant(&self, subject: u32) -> bool {
        self.verdict(subject) != Verdict::Irrelevant
    }

    /// Whether an exposure to this is one to a group.
    pub fn is_of_a_group(&self, subject: u32) -> bool {
        matches!(self.verdict(subject), Verdict::Group(_))
    }

    /// Brings what is known of units near, all of them at once: each is waited for by itself when its exposure is taken in.
    pub fn fetch(&self, units: impl Iterator<Item = u32>) {
        let known = units.filter_map(|unit| self.meetings.get(unit as usize));
        std::hint::black_box(known.fold(0, |sum, first| sum ^ first.stage));
    }

    /// Takes an exposure in, and tells whether it counts: whether its unit met a group by it, at whatever stage.
    pub fn take(&mut self, exposure: &SeenExposure, in_period: bool) -> bool {
        let hindrance = circumstance(exposure.in_environment, in_period, exposure.unit != NOBODY);
        let stage = self.split.stage_at(exposure.time);
        let meeting = |place: u16| Meeting { time: exposure.time, stage: stage as u32, place };
        let reason = match self.verdict(exposure.subject) {
            Verdict::Irrelevant => return false,
            Verdict::NotAGroup(reason) => reason,
            Verdict::Forced(reason) => hindrance.unwrap_or_else(|| {
                self.meet(exposure.unit, meeting(OVERRIDE));
                reason
            }),
            Verdict::Group(group) => match weighed(self.split.stage_standing(stage), hindrance) {
                Ok(()) | Err(NotCounted::OtherStage) => {
                    if self.counted.len() <= stage {
                        self.counted.resize(stage + 1, vec![0; self.split.groups.len()]);
                    }
                    self.counted[stage][usize::from(group)] += 1;
                    self.meet(exposure.unit, meeting(group + 1));
                    return true;
                }
                Err(reason) => reason,
            },
        };
        *self.not_counted.entry(reason).or_default() += 1;
        false
    }

    fn meet(&mut self, unit: u32, meeting: Meeting) {
        let at = unit as usize;
        if self.meetings.len() <= at {
            self.meetings.resize(at + 1, Meeting::NEVER);
        }
        let first = &mut self.meetings[at];
        if *first == Meeting::NEVER {
            *first = meeting;
            return;
        }
        if first.stage != meeting.stage {
            if meeting.stage < first.stage {
                *first = meeting;
                self.others.remove(&unit);
            }
            return;
        }
        if first.place == meeting.place {
            first.time = first.time.min(meeting.time);
            return;
        }
        let others = self.others.entry(unit).or_default();
        match others.iter_mut().find(|other| other.place == meeting.place) {
            Some(other) => other.time = other.time.min(meeting.time),
            None => others.push(meeting),
        }
    }

    /// All that decides of a unit's group.
    pub fn standing(&self, unit: u32) -> impl PartialEq + use<> {
        let others = self.others.get(&unit).cloned();
        (self.meetings.get(unit as usize).copied(), others)
    }

    /// Whether the unit was exposed, whatever became of it.
    pub fn has_met(&self, unit: u32) -> bool {
        self.meetings.get(unit as usize).is_some_and(|first| *first != Meeting::NEVER)
    }

    /// Decides every unit's group, once all exposures are known. `split` says which stages are in question; `ahead` are
    /// exposures that are not in the period yet; `hashes` are the units', for a split that draws a sample.
    pub fn settle(&self, split: &Split, crossovers: Crossovers, ahead: &[SeenExposure], hashes: &[u64]) -> Units {
        let mut units = Units {
            exposed: 0,
            numbered: self.meetings.len(),
            members: Vec::with_capacity(self.meetings.len()),
            more: HashMap::new(),
            sizes: vec![0; split.groups.len()],
            unused: vec![0; split.groups.len()],
            spare: Vec::new(),
            exposures: vec![0; split.groups.len()],
            crossovers: 0,
            overridden: 0,
            other_stages: 0,
            filtered: 0,
            not_counted: self.not_counted.clone(),
        };
        let mut spare = Vec::new();
        let mut member = |unit: usize, meeting: &Meeting| {
            let (group, stage) = (meeting.place - 1, meeting.stage as usize);
            match &split.stages {
                Some(stages) if !stages.uses(stage, usize::from(group), hashes.get(unit).copied().unwrap_or(0)) => {
                    spare.push((unit as u32, Member { since: meeting.time, until: stages.end(stage), group }));
                    Member::NONE
                }
                Some(stages) => Member { since: meeting.time, until: stages.end(stage), group },
                None => Member { since: meeting.time, until: Timestamp::MAX, group },
            }
        };
        let is_chosen = |meeting: &Meeting| split.stage_standing(meeting.stage as usize).is_ok();
        let mut several = vec![false; self.meetings.len()];
        self.others.keys().for_each(|unit| several[*unit as usize] = true);
        for (at, first) in self.meetings.iter().enumerate() {
            let found = match first {
                &Meeting::NEVER => Member::NONE,
                _ if several[at] => Member::NONE,
                first if first.place == OVERRIDE => {
                    units.overridden += 1;
                    Member::NONE
                }
                first if !is_chosen(first) => {
                    units.other_stages += 1;
                    Member::NONE
                }
                first => {
                    units.exposed += 1;
                    member(at, first)
                }
            };
            units.members.push(found);
        }
        // In order of units, so that further memberships get the same numbers each time.
        let mut others: Vec<(&u32, &Vec<Meeting>)> = self.others.iter().collect();
        others.sort_unstable_by_key(|(at, _)| **at);
        for (&at, others) in others {
            let mut met = others.clone();
            met.push(self.meetings[at as usize]);
            met.sort_unstable();
            if met[0].place == OVERRIDE {
                units.overridden += 1;
                continue;
            }
            if !is_chosen(&met[0]) {
                units.other_stages += 1;
                continue;
            }
            units.exposed += 1;
            met.retain(|meeting| meeting.place != OVERRIDE);
            units.crossovers += u64::from(met.len() > 1);
            let kept = match crossovers {
                Crossovers::Exclude if met.len() > 1 => 0,
                Crossovers::Exclude | Crossovers::First => 1,
                Crossovers::Both => met.len(),
            };
            for (nth, meeting) in met[..kept].iter().enumerate() {
                let member = member(at as usize, meeting);
                if nth == 0 {
                    units.members[at as usize] = member;
                } else if member.group().is_some() {
                    units.more.entry(at).or_default().push(units.members.len() as u32);
                    units.members.push(member);
                }
            }
        }
        units.exposed += units.overridden;
        units.spare = spare;
        units.count_unused();
        for group in units.members.iter().filter_map(Member::group) {
            units.sizes[group] += 1;
        }
        let mut elsewhere = 0;
        for (stage, counted) in self.counted.iter().enumerate() {
            match split.stage_standing(stage) {
                Ok(()) => units.exposures.iter_mut().zip(counted).for_each(|(sum, counted)| *sum += counted),
                Err(_) => elsewhere += counted.iter().sum::<u64>(),
            }
        }
        if elsewhere > 0 {
            *units.not_counted.entry(NotCounted::OtherStage).or_default() += elsewhere;
        }
        for exposure in ahead {
            let hindrance = circumstance(exposure.in_environment, false, exposure.unit != NOBODY);
            let reason = match self.verdict(exposure.subject) {
                Verdict::Irrelevant => continue,
                Verdict::NotAGroup(reason) => reason,
                Verdict::Forced(_) => hindrance.unwrap_or(NotCounted::OutsideWindow),
                Verdict::Group(_) => {
                    let stage = split.stage_standing(split.stage_at(exposure.time));
                    weighed(stage, hindrance).err().unwrap_or(NotCounted::OutsideWindow)
                }
            };
            *units.not_counted.entry(reason).or_default() += 1;
        }
        units
    }
}

/// A unit in a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub since: Timestamp,
    /// The first moment from which on its events no longer count, if the period is not over before: its treatment may change.
    pub until: Timestamp,
    group: u16,
}

impl Member {
    /// A unit that takes no part: never exposed, a crossover or overridden.
    const NONE: Member = Member { since: Timestamp::MAX, until: Timestamp::MAX, group: u16::MAX };

    pub fn group(&self) -> Option<usize> {
        (self.group != Member::NONE.group).then_some(usize::from(self.group))
    }
}

/// The units of one split, settled.
pub(super) struct Units {
    /// Units that were exposed, in a stage in question or by an override, whatever became of them.
    pub exposed: u64,
    /// How many of `members` are units by their number; those behind are further memberships.
    numbered: usize,
    members: Vec<Member>,
    /// Further memberships of a unit, where crossovers are kept in both groups.
    more: HashMap<u32, Vec<u32>>,
    /// Units in each group.
    pub sizes: Vec<u64>,
    /// Units that are left out of each group, so that groups are of equal size.
    pub unused: Vec<u64>,
    /// Those units.
    spare: Vec<(u32, Member)>,
    /// Exposures that counted, by group; crossovers' too.
    pub exposures: Vec<u64>,
    /// Units that met more than one group.
    pub crossovers: u64,
    /// Units that were first met by an override; they take no part.
    pub overridden: u64,
    /// Units that were first met in another stage than those in question; they take no part.
    pub other_stages: u64,
    pub not_counted: BTreeMap<NotCounted, u64>,
    /// Units that take no part because of a filter.
    pub filtered: u64,
}

impl Units {
    /// Only members that a sieve lets through go on taking part.
    pub fn keep(&mut self, lets_through: impl Fn(u32, Timestamp) -> bool) {
        let kept = |unit: u32, member: &Member| member.group().is_some() && lets_through(unit, member.since);
        let mut left_out = 0;
        for (unit, at) in (0u32..).zip(0..self.numbered) {
            let further = self.more.get(&unit).map_or(&[][..], Vec::as_slice);
            let places = std::iter::once(at).chain(further.iter().map(|place| *place as usize));
            let (mut was_in, mut is_in) = (false, false);
            for place in places {
                let member = &mut self.members[place];
                let Some(group) = member.group() else { continue };
                was_in = true;
                if kept(unit, member) {
                    is_in = true;
                } else {
                    self.sizes[group] -= 1;
                    *member = Member::NONE;
                }
            }
            left_out += u64::from(was_in && !is_in);
        }
        self.more.values_mut().for_each(|places| places.retain(|at| self.members[*at as usize].group().is_some()));
        self.filtered += left_out;
        self.spare.retain(|(unit, member)| lets_through(*unit, member.since));
        self.count_unused();
    }

    pub fn bytes(&self) -> usize {
        self.members.capacity() * size_of::<Member>() + self.spare.capacity() * size_of::<(u32, Member)>()
    }

    fn count_unused(&mut self) {
        self.unused.fill(0);
        for group in self.spare.iter().filter_map(|(_, member)| member.group()) {
            self.unused[group] += 1;
        }
    }

    /// The memberships of a unit: its own if it takes part, and those in further groups.
    #[inline]
    pub fn memberships(&self, unit: u32) -> impl Iterator<Item = &Member> {
        let more = if self.more.is_empty() { None } else { self.more.get(&unit) };
        let further = more.into_iter().flatten().map(|at| &self.members[*at as usize]);
        let own = self.members[..self.numbered].get(unit as usize).filter(|member| member.group().is_some());
        own.into_iter().chain(further)
    }

    fn own(&self) -> impl Iterator<Item = (u32, &Member)> {
        (0u32..).zip(&self.members[..self.numbered]).filter(|(_, member)| member.group().is_some())
    }

    /// Each unit that takes part once, with its first membership. In no order.
    pub fn each(&self) -> impl Iterator<Item = (u32, &Member)> {
        let has_own = |unit: u32| self.members[..self.numbered][unit as usize].group().is_some();
        let left = self.more.iter().filter(move |(unit, _)| !has_own(**unit));
        self.own().chain(left.filter_map(|(unit, places)| Some((*unit, &self.members[*places.first()? as usize]))))
    }

    /// All units that take part, by number, with their memberships.
    pub fn all(&self) -> impl Iterator<Item = (u32, &Member)> {
        let own = self.own();
        let further = |(unit, places): (&u32, &Vec<u32>)| (*unit, places.clone());
        let mut more: Vec<(u32, Vec<u32>)> = self.more.iter().map(further).collect();
        more.sort_unstable();
        let more = more.into_iter().flat_map(|(unit, places)| places.into_iter().map(move |place| (unit, place)));
        own.chain(more.map(|(unit, place)| (unit, &self.members[place as usize])))
    }
}
