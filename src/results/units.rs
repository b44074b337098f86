//! Who takes part: from exposures to units, each with its group and the moment of its first exposure. Counts what does
//! not count. Knows no metric.

use super::options::Crossovers;
use super::question::{Question, Split};
use super::roster::NOBODY;
use super::standing::{NotCounted, Verdict, circumstance, verdict};
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
    place: u16,
}

const OVERRIDE: u16 = 0;

impl Meeting {
    const NEVER: Meeting = Meeting { time: Timestamp::MAX, place: u16::MAX };
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
}

/// All exposures of one split.
pub(super) struct Exposures {
    question: Arc<Question>,
    split: Arc<Split>,
    /// By subject.
    verdicts: Vec<Verdict>,
    /// By unit: the earliest meeting with the place that it was first read with.
    meetings: Vec<Meeting>,
    /// The earliest meetings with other places; few units have any.
    others: HashMap<u32, Vec<Meeting>>,
    met: usize,
    counted: Vec<u64>,
    not_counted: BTreeMap<NotCounted, u64>,
}

impl Exposures {
    pub fn new(question: Arc<Question>, split: Arc<Split>) -> Exposures {
        Exposures {
            verdicts: Vec::new(),
            meetings: Vec::new(),
            others: HashMap::new(),
            met: 0,
            counted: vec![0; split.groups.len()],
            not_counted: BTreeMap::new(),
            question,
            split,
        }
    }

    pub fn split(&self) -> &Split {
        &self.split
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

    /// Takes an exposure in, and tells whether it counts: whether its unit met a group by it.
    pub fn take(&mut self, exposure: &SeenExposure, in_period: bool) -> bool {
        let hindrance = circumstance(exposure.in_environment, in_period, exposure.unit != NOBODY);
        let reason = match self.verdict(exposure.subject) {
            Verdict::Irrelevant => return false,
            Verdict::NotAGroup(reason) => reason,
            Verdict::Forced(reason) => hindrance.unwrap_or_else(|| {
                self.meet(exposure.unit, Meeting { time: exposure.time, place: OVERRIDE });
                reason
            }),
            Verdict::Group(group) => match hindrance {
                Some(reason) => reason,
                None => {
                    self.counted[usize::from(group)] += 1;
                    self.meet(exposure.unit, Meeting { time: exposure.time, place: group + 1 });
                    return true;
                }
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
            self.met += 1;
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

    /// Whether the unit was exposed, whatever became of it.
    pub fn has_met(&self, unit: u32) -> bool {
        self.meetings.get(unit as usize).is_some_and(|first| *first != Meeting::NEVER)
    }

    /// Decides every unit's group, once all exposures are known. `ahead` are exposures that are not in the period yet.
    pub fn settle(&self, crossovers: Crossovers, ahead: &[SeenExposure]) -> Units {
        let members = |first: &Meeting| match first.place {
            OVERRIDE => Member::NONE,
            place => Member { since: first.time, group: place - 1 },
        };
        let mut members: Vec<Member> = self
            .meetings
            .iter()
            .map(|first| if *first == Meeting::NEVER { Member::NONE } else { members(first) })
            .collect();
        let mut overridden = self.met as u64 - members.iter().filter(|member| member.group().is_some()).count() as u64;
        let mut more: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut crossed = 0;
        // In order of units, so that further memberships get the same numbers each time.
        let mut others: Vec<(&u32, &Vec<Meeting>)> = self.others.iter().collect();
        others.sort_unstable_by_key(|(at, _)| **at);
        for (&at, others) in others {
            let primary = self.meetings[at as usize];
            overridden -= u64::from(primary.place == OVERRIDE);
            let mut met = others.clone();
            met.push(primary);
            met.sort_unstable();
            members[at as usize] = Member::NONE;
            if met[0].place == OVERRIDE {
                overridden += 1;
                continue;
            }
            met.retain(|meeting| meeting.place != OVERRIDE);
            crossed += u64::from(met.len() > 1);
            let kept = match crossovers {
                Crossovers::Exclude if met.len() > 1 => 0,
                Crossovers::Exclude | Crossovers::First => 1,
                Crossovers::Both => met.len(),
            };
            for (nth, meeting) in met[..kept].iter().enumerate() {
                let member = Member { since: meeting.time, group: meeting.place - 1 };
                if nth == 0 {
                    members[at as usize] = member;
                } else {
                    more.entry(at).or_default().push(members.len() as u32);
                    members.push(member);
                }
            }
        }
        let mut sizes = vec![0; self.counted.len()];
        for group in members.iter().filter_map(Member::group) {
            sizes[group] += 1;
        }
        let mut not_counted = self.not_counted.clone();
        for exposure in ahead {
            let reason = match self.verdict(exposure.subject) {
                Verdict::Irrelevant => continue,
                Verdict::NotAGroup(reason) => reason,
                Verdict::Forced(_) | Verdict::Group(_) => {
                    let hindrance = circumstance(exposure.in_environment, false, exposure.unit != NOBODY);
                    hindrance.unwrap_or(NotCounted::OutsideWindow)
                }
            };
            *not_counted.entry(reason).or_default() += 1;
        }
        Units {
            exposed: self.met as u64,
            numbered: self.meetings.len(),
            members,
            more,
            sizes,
            exposures: self.counted.clone(),
            crossovers: crossed,
            overridden,
            not_counted,
        }
    }
}

/// A unit in a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    pub since: Timestamp,
    group: u16,
}

impl Member {
    /// A unit that takes no part: never exposed, a crossover or overridden.
    const NONE: Member = Member { since: Timestamp::MAX, group: u16::MAX };

    pub fn group(&self) -> Option<usize> {
        (self.group != Member::NONE.group).then_some(usize::from(self.group))
    }
}

/// The units of one split, settled.
pub(super) struct Units {
    /// Units that were exposed, whatever became of them.
    pub exposed: u64,
    /// How many of `members` are units by their number; those behind are further memberships.
    numbered: usize,
    members: Vec<Member>,
    /// Further memberships of a unit, where crossovers are kept in both groups.
    more: HashMap<u32, Vec<u32>>,
    /// Units in each group.
    pub sizes: Vec<u64>,
    /// Exposures that counted, by group; crossovers' too.
    pub exposures: Vec<u64>,
    /// Units that met more than one group.
    pub crossovers: u64,
    /// Units that were first met by an override; they take no part.
    pub overridden: u64,
    pub not_counted: BTreeMap<NotCounted, u64>,
}

impl Units {
    /// The memberships of a unit: its own if it takes part, and those in further groups.
    pub fn memberships(&self, unit: u32) -> impl Iterator<Item = &Member> {
        let more = if self.more.is_empty() { None } else { self.more.get(&unit) };
        let further = more.into_iter().flatten().map(|at| &self.members[*at as usize]);
        let own = self.members[..self.numbered].get(unit as usize).filter(|member| member.group().is_some());
        own.into_iter().chain(further)
    }

    /// Each unit that takes part once, by number, with its first membership.
    pub fn each(&self) -> impl Iterator<Item = (u32, &Member)> {
        (0u32..).zip(&self.members[..self.numbered]).filter(|(_, member)| member.group().is_some())
    }

    /// All units that take part, by number, with their memberships.
    pub fn all(&self) -> impl Iterator<Item = (u32, &Member)> {
        let own = self.each();
        let further = |(unit, places): (&u32, &Vec<u32>)| (*unit, places.clone());
        let mut more: Vec<(u32, Vec<u32>)> = self.more.iter().map(further).collect();
        more.sort_unstable();
        let more = more.into_iter().flat_map(|(unit, places)| places.into_iter().map(move |place| (unit, place)));
        own.chain(more.map(|(unit, place)| (unit, &self.members[place as usize])))
    }
}
