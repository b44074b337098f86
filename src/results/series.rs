//! A metric by day: as it stood at the end of each, of each by itself, or by days since exposure. Compares nothing.

use super::calendar::{DAY, Span, day_of, start_of};
use super::entries::Walk;
use super::funnel::Room;
use super::options::View;
use super::plan::{Makes, Plan};
use super::tally::{Classes, Clockwork, Sums, fill};
use super::units::Member;
use crate::stats::CoMoments;
use std::cell::RefCell;

/// The most days of a series; of a longer period the last ones.
pub const SERIES_DAYS: i64 = 400;

/// The days of a view.
pub(super) struct Days {
    view: View,
    /// The first and the last one's number.
    pub first: i64,
    pub last: i64,
    clock: Clockwork,
    /// By day and class: units that can have a number on it.
    sizes: Vec<Vec<u64>>,
}

impl Days {
    /// `None` if nobody takes part.
    pub fn new(view: View, classes: &Classes<'_>, clock: &Clockwork) -> Option<Days> {
        let until = clock.until;
        let begin = |member: &Member| match view {
            View::Cumulative | View::Daily => member.since.0,
            View::DaysSinceExposure => clock.from(member),
        };
        let of_class =
            |(unit, member)| (classes.of)(unit, member).map(|class| (class, begin(member), clock.after(member).until));
        let members = || classes.units.all().filter_map(&of_class);
        let earliest = members().map(|(_, since, _)| since).min()?;
        let (first, last) = match view {
            View::Cumulative | View::Daily => {
                let last = day_of(until - 1);
                (day_of(earliest).max(last - SERIES_DAYS + 1), last)
            }
            View::DaysSinceExposure => {
                (-(clock.look_back / DAY).min(SERIES_DAYS), ((until - 1 - earliest) / DAY).min(SERIES_DAYS - 1))
            }
        };
        let days = usize::try_from(last - first + 1).ok()?;
        let mut sizes = vec![vec![0u64; classes.sizes.len()]; days];
        for (class, since, until) in members() {
            // The first and last day on which this unit can have a number.
            let (from, to) = match view {
                View::Cumulative => (day_of(since).max(first), last),
                View::Daily => (day_of(since).max(first), day_of(until - 1).min(last)),
                View::DaysSinceExposure => (first, ((until - 1 - since) / DAY).min(last)),
            };
            if to < from {
                continue;
            }
            // Marks where it begins and where it is over; summed up below.
            let begun = &mut sizes[(from - first) as usize][class];
            *begun = begun.wrapping_add(1);
            if let Some(over) = sizes.get_mut((to - first + 1) as usize) {
                over[class] = over[class].wrapping_sub(1);
            }
        }
        for day in 1..days {
            for class in 0..classes.sizes.len() {
                sizes[day][class] = sizes[day][class].wrapping_add(sizes[day - 1][class]);
            }
        }
        Some(Days { view, first, last, clock: *clock, sizes })
    }

    /// What a report calls a day.
    pub fn label(&self, day: i64) -> i64 {
        match self.view {
            View::Cumulative | View::Daily => start_of(day),
            View::DaysSinceExposure => day,
        }
    }

    /// The day that a moment of a member lies in.
    fn day(&self, member: &Member, time: i64) -> i64 {
        match self.view {
            View::Cumulative | View::Daily => day_of(time),
            View::DaysSinceExposure => (time - self.base(member)).div_euclid(DAY),
        }
    }

    /// Where a member's first day begins: where its events begin to count.
    fn base(&self, member: &Member) -> i64 {
        self.clock.from(member)
    }

    /// The part of a member's time that makes its number of a day.
    fn span(&self, clock: &Clockwork, member: &Member, day: i64) -> Span {
        let all = clock.after(member);
        match self.view {
            View::Cumulative => {
                let until = all.until.min(start_of(day + 1));
                Span { until, known: until, ..all }
            }
            View::Daily => {
                let (from, until) = (all.from.max(start_of(day)), all.until.min(start_of(day + 1)));
                Span { from, until, ..all }
            }
            View::DaysSinceExposure => {
                let from = self.base(member) + day * DAY;
                Span { from, until: all.until.min(from + DAY), ..all }
            }
        }
    }
}

/// The moments of each day, in order.
pub(super) fn series<'a>(
    plan: &Plan,
    walk: impl Fn() -> Walk<'a>,
    classes: &Classes<'_>,
    clock: &Clockwork,
    days: &Days,
) -> Vec<Sums> {
    let by_events = |is_of_its_day: bool, changes_by_events: bool| match days.view {
        View::Cumulative => changes_by_events,
        View::Daily | View::DaysSinceExposure => is_of_its_day,
    };
    match &plan.makes {
        Makes::PerUnit(quantity) => {
            let by_events = by_events(quantity.is_of_its_day(), quantity.changes_by_events());
            let mut all = run(plan, walk(), classes, clock, days, by_events, |walk, span| [quantity.of(walk, span)]);
            for (sums, sizes) in all.iter_mut().zip(&days.sizes) {
                fill(sums, sizes);
            }
            all.into_iter().map(Sums::One).collect()
        }
        Makes::Ratio(numerator, denominator) => {
            let by_events = by_events(
                numerator.is_of_its_day() && denominator.is_of_its_day(),
                numerator.changes_by_events() && denominator.changes_by_events(),
            );
            let of = |walk: &Walk<'_>, span: &Span| {
                let denominator = denominator.of(walk, span);
                // Units without a denominator take no part.
                if denominator == 0.0 { [0.0; 2] } else { [numerator.of(walk, span), denominator] }
            };
            run(plan, walk(), classes, clock, days, by_events, of).into_iter().map(Sums::Two).collect()
        }
        Makes::Funnel(steps) => {
            let room = RefCell::new(Room::default());
            let of = |walk: &Walk<'_>, span: &Span| {
                let mut room = room.borrow_mut();
                let taken = steps.of(walk, span, &mut room);
                [taken[taken.len() - 1], taken[0]]
            };
            run(plan, walk(), classes, clock, days, true, of).into_iter().map(Sums::Two).collect()
        }
    }
}

fn run<const K: usize>(
    plan: &Plan,
    mut walk: Walk<'_>,
    classes: &Classes<'_>,
    clock: &Clockwork,
    days: &Days,
    by_events: bool,
    of: impl Fn(&Walk<'_>, &Span) -> [f64; K],
) -> Vec<Vec<CoMoments<K>>> {
    let count = days.sizes.len();
    let nothing = [0.0; K];
    let mut each_day = vec![vec![CoMoments::<K>::default(); classes.sizes.len()]; count];
    // Of how it stood: the numbers that those of the day take the place of. In sums, as some metrics change for every unit
    // on every day.
    let mut gone = if days.view == View::Cumulative { each_day.clone() } else { Vec::new() };
    let mut busy: Vec<i64> = Vec::new();
    while let Some(unit) = walk.advance() {
        for member in classes.units.memberships(unit) {
            let Some(class) = (classes.of)(unit, member) else { continue };
            let begins = days.day(member, clock.from(member));
            busy.clear();
            if by_events {
                let times = (0..plan.sources.len()).flat_map(|lane| walk.lane(lane)).map(|entry| entry.time);
                busy.extend(times.filter(|time| *time < days.clock.until).map(|time| days.day(member, time)));
                // What happened before the series begins still counts for how it stood on its first day.
                busy.iter_mut()
                    .for_each(|day| *day = (*day).max(if days.view == View::Cumulative { days.first } else { *day }));
                busy.sort_unstable();
                busy.dedup();
            } else {
                busy.extend(days.first.max(begins)..=days.last);
            }
            let mut before = nothing;
            for &day in busy.iter().filter(|day| days.first <= **day && **day <= days.last) {
                if days.view != View::DaysSinceExposure && day < begins {
                    continue;
                }
                let after = of(&walk, &days.span(clock, member, day));
                let at = (day - days.first) as usize;
                if days.view == View::Cumulative {
                    if after != before {
                        if before != nothing {
                            gone[at][class].push(before);
                        }
                        if after != nothing {
                            each_day[at][class].push(after);
                        }
                        before = after;
                    }
                } else if after != nothing {
                    each_day[at][class].push(after);
                }
            }
        }
    }
    let mut standing = vec![CoMoments::<K>::default(); classes.sizes.len()];
    for (come, gone) in each_day.iter_mut().zip(&gone) {
        for ((standing, come), gone) in standing.iter_mut().zip(come).zip(gone) {
            standing.merge(come);
            if gone.n() > 0 {
                standing.take_out(gone);
            }
            *come = *standing;
        }
    }
    each_day
}
