//! Who takes part: from exposures to units, each with its group and the moment of its first exposure. Counts what does
//! not count. Knows no metric.

use super::options::Crossovers;
use super::question::{Question, Split};
use super::standing::{NotCounted, Verdict, circumstance, verdict};
use super::{SeenExposure, Terms};
use crate::event::Timestamp;
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// When a unit met a group. The least comes first: at the same moment an override goes before groups, and groups keep
/// their order. An override has place 0, a group its own place + 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Meeting {
    time: Timestamp,
    place: u16,
}

const OVERRIDE: u16 = 0;

/// All exposures of one split, while they are read.
pub(super) struct Exposures {
    verdicts: Vec<Verdict>,
    index: HashMap<u64, u32>,
    /// The earliest meeting with the place that each unit was first read with.
    meetings: Vec<Meeting>,
    /// The earliest meetings with other places; few units have any.
    others: HashMap<u32, Vec<Meeting>>,
    counted: Vec<u64>,
    not_counted: BTreeMap<NotCounted, u64>,
}

impl Exposures {
    pub fn new(question: &Question, split: &Split, terms: &Terms) -> Exposures {
        let mut verdicts = vec![Verdict::Irrelevant; terms.subjects.len() + 1];
        for (id, subject) in terms.subjects_where(|_| true) {
            verdicts[id.0 as usize] = verdict(question, split, &subject);
        }
        Exposures {
            verdicts,
            index: HashMap::new(),
            meetings: Vec::new(),
            others: HashMap::new(),
            counted: vec![0; split.groups.len()],
            not_counted: BTreeMap::new(),
        }
    }

    pub fn take(&mut self, exposure: &SeenExposure) {
        let verdict = self.verdicts.get(exposure.subject).copied().unwrap_or(Verdict::Irrelevant);
        let hindrance = || circumstance(exposure.production, exposure.in_period, exposure.unit != 0);
        let reason = match verdict {
            Verdict::Irrelevant => return,
            Verdict::NotAGroup(reason) => reason,
            Verdict::Forced(reason) => hindrance().unwrap_or_else(|| {
                self.meet(exposure.unit, Meeting { time: exposure.time, place: OVERRIDE });
                reason
            }),
            Verdict::Group(group) => match hindrance() {
                Some(reason) => reason,
                None => {
                    self.counted[usize::from(group)] += 1;
                    return self.meet(exposure.unit, Meeting { time: exposure.time, place: group + 1 });
                }
            },
        };
        *self.not_counted.entry(reason).or_default() += 1;
    }

    fn meet(&mut self, unit: u64, meeting: Meeting) {
        let next = u32::try_from(self.meetings.len()).expect("2^32 units need more memory than any box has");
        let at = *self.index.entry(unit).or_insert(next);
        if at == next {
            self.meetings.push(meeting);
            return;
        }
        let first = &mut self.meetings[at as usize];
        if first.place == meeting.place {
            first.time = first.time.min(meeting.time);
            return;
        }
        let others = self.others.entry(at).or_default();
        match others.iter_mut().find(|other| other.place == meeting.place) {
            Some(other) => other.time = other.time.min(meeting.time),
            None => others.push(meeting),
        }
    }

    /// Decides every unit's group, once all exposures are known.
    pub fn settle(self, crossovers: Crossovers) -> Units {
        let members = |meeting: &Meeting| match meeting.place {
            OVERRIDE => Member::NONE,
            place => Member { since: meeting.time, group: place - 1 },
        };
        let mut members: Vec<Member> = self.meetings.iter().map(members).collect();
        let mut overridden = members.iter().filter(|member| member.group == Member::NONE.group).count() as u64;
        let mut more: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut crossed = 0;
        // In order of units, so that further memberships get the same numbers each time.
        let mut others: Vec<(u32, Vec<Meeting>)> = self.others.into_iter().collect();
        others.sort_unstable_by_key(|(at, _)| *at);
        for (at, mut met) in others {
            let primary = self.meetings[at as usize];
            overridden -= u64::from(primary.place == OVERRIDE);
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
        Units {
            index: self.index,
            members,
            more,
            sizes,
            exposures: self.counted,
            crossovers: crossed,
            overridden,
            not_counted: self.not_counted,
        }
    }
}

/// A unit in a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    since: Timestamp,
    group: u16,
}

impl Member {
    /// A unit that takes no part: a crossover or overridden.
    const NONE: Member = Member { since: Timestamp::MAX, group: u16::MAX };

    pub fn group(&self) -> Option<usize> {
        (self.group != Member::NONE.group).then_some(usize::from(self.group))
    }

    /// Whether an event of this moment counts for it.
    pub fn counts(&self, time: Timestamp) -> bool {
        self.group().is_some() && self.since <= time
    }
}

/// The units of one split, settled.
pub(super) struct Units {
    index: HashMap<u64, u32>,
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
    /// The dense number of a unit that was exposed.
    pub fn find(&self, unit: u64) -> Option<u32> {
        self.index.get(&unit).copied()
    }

    pub fn member(&self, at: u32) -> &Member {
        &self.members[at as usize]
    }

    /// All memberships of a unit, by number: its own, and those in further groups.
    pub fn memberships(&self, at: u32) -> impl Iterator<Item = u32> + '_ {
        let more = if self.more.is_empty() { None } else { self.more.get(&at) };
        std::iter::once(at).chain(more.into_iter().flatten().copied())
    }

    /// How many units were exposed, whatever became of them.
    pub fn exposed(&self) -> usize {
        self.index.len()
    }
}
