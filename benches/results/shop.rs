//! What happened in the bench's shop: who was exposed when, and what they did. All of it follows from the scale and a fixed seed, so that
//! the log, the yardstick's tables and what comes later agree. Draws nothing from the machine, writes no format.

use anyhow::ensure;
use serde::{Deserialize, Serialize};
use std::fmt;
use weir::cli::random::{Random, mix};

const DAY: u32 = 86_400_000;
const DAYS: u32 = 28;
/// First exposures happen in these days, so that most units have a time before and all have one after.
const ENROLMENT_DAYS: u32 = 14;
/// Of all units, those that never meet the experiment.
const STRANGERS: f64 = 0.1;
/// A further number would make another shop.
const SEED: u64 = 0x5eed;

/// By volume, which falls as one over the rank.
pub const NAMES: [&str; 12] = [
    "Product Viewed",
    "Product List Viewed",
    "Product Clicked",
    "Product Added",
    "Products Searched",
    "Cart Viewed",
    "Checkout Started",
    "Order Completed",
    "Product Removed",
    "Coupon Applied",
    "Product Added to Wishlist",
    "Product Reviewed",
];
const VIEWED: usize = 0;
const CART: usize = 5;
const ORDER: usize = 7;
const CATEGORIES: [&str; 8] = ["shoes", "shirts", "trousers", "coats", "hats", "bags", "socks", "belts"];

/// How large the shop is, and when it opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    /// Units that meet the experiment.
    pub units: u32,
    /// Events in the log, exposures among them.
    pub events: u32,
    /// A midnight in UTC, in milliseconds since 1970.
    pub start: i64,
}

impl Scale {
    /// A shop whose last day ended with the last midnight.
    pub fn until(units: u32, events: u32, now: i64) -> Scale {
        let today = now - now.rem_euclid(i64::from(DAY));
        Scale { units, events, start: today - i64::from(DAYS * DAY) }
    }
}

/// One event of the log; times are milliseconds after the shop's start.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    pub received: u32,
    pub time: u32,
    pub unit: u32,
    /// An exposure's group, or the number that an event follows from.
    what: u32,
}

const EXPOSURE: u32 = 1 << 31;

pub enum What {
    /// To the group of this place.
    Exposure(usize),
    Event(Event),
}

/// Something that a visitor did.
pub struct Event {
    /// Unlike that of any other event.
    pub number: u32,
    pub name: &'static str,
    pub category: Option<&'static str>,
    /// As a number.
    pub value: Option<Price>,
    /// As a text.
    pub revenue: Option<Price>,
}

/// In hundredths.
#[derive(Clone, Copy)]
pub struct Price(u64);

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

pub struct Shop {
    pub scale: Scale,
    /// The sums of the names' volumes up to each.
    volumes: [f64; NAMES.len()],
}

impl Shop {
    pub fn new(scale: Scale) -> Shop {
        let (mut volumes, mut sum) = ([0.0; NAMES.len()], 0.0);
        for (rank, volume) in volumes.iter_mut().enumerate() {
            sum += 1.0 / (rank + 1) as f64;
            *volume = sum;
        }
        Shop { scale, volumes }
    }

    /// The whole log in the order in which it was received, which is not the order in which it happened.
    pub fn records(&self) -> anyhow::Result<Vec<Record>> {
        let Scale { units, events, .. } = self.scale;
        let mut records = Vec::with_capacity(events as usize);
        for unit in 0..units {
            let (first, group) = (self.enrolled(unit), group(unit));
            let mut random = stream("exposures", unit);
            let mut expose = |random: &mut Random, time: u32, group: usize| {
                records.push(Record { received: received(random, time), time, unit, what: EXPOSURE | group as u32 });
            };
            expose(&mut random, first, group);
            let more = match random.below(100) {
                0..55 => 0,
                55..85 => 1,
                _ => 2,
            };
            for _ in 0..more {
                let time = first + random.below(u64::from(3 * DAY)) as u32;
                expose(&mut random, time, group);
            }
            if random.below(200) == 0 {
                let time = first + random.below(u64::from(3 * DAY)) as u32;
                expose(&mut random, time, 1 - group);
            }
        }
        ensure!(records.len() < events as usize, "{units} units have more exposures than {events} events hold");
        for number in 0..events - records.len() as u32 {
            let mut random = stream("visits", number);
            let unit = self.visitor(&mut random);
            let time = random.below(u64::from(DAYS * DAY)) as u32;
            records.push(Record { received: received(&mut random, time), time, unit, what: number });
        }
        records.sort_unstable_by_key(|record| (record.received, record.time, record.unit, record.what));
        Ok(records)
    }

    /// What comes in one go after all that: `count` events that happened just before `now` (after the start), by visitors from
    /// before and by new ones who are exposed now; a few exposures of visitors from before are late and earlier than all that
    /// were known of them. `round` tells one go from the next.
    pub fn later(&self, round: u32, count: u32, now: u32) -> Vec<Record> {
        let Scale { units, events, .. } = self.scale;
        let (new, late) = (count / 100, count / 50);
        let mut records = Vec::with_capacity(count as usize);
        for number in 0..count {
            let mut random = stream("later", round * count + number);
            let new_unit = self.total() + round * new + number % new.max(1);
            let soon = now - random.below(30_000) as u32;
            let (unit, time, what) = match number {
                n if n < new => (new_unit, now - 60_000, EXPOSURE | group(new_unit) as u32),
                n if n < new + late => {
                    let unit = random.below(u64::from(units)) as u32;
                    let before = random.below(u64::from(DAY)) as u32;
                    (unit, self.enrolled(unit).saturating_sub(before), EXPOSURE | group(unit) as u32)
                }
                n if n < 2 * new + late => (new_unit, soon, events + round * count + number),
                _ => (self.visitor(&mut random), soon, events + round * count + number),
            };
            records.push(Record { received: now, time, unit, what });
        }
        records
    }

    pub fn what(&self, record: &Record) -> What {
        if record.what & EXPOSURE != 0 {
            return What::Exposure((record.what & !EXPOSURE) as usize);
        }
        let mut random = stream("events", record.what);
        let mut name = self.name(fraction(&mut random));
        // The effect: some who look into their cart order instead.
        if name == CART && group(record.unit) == 1 && random.below(20) == 0 {
            name = ORDER;
        }
        let category = (random.below(10) > 0).then(|| CATEGORIES[random.below(CATEGORIES.len() as u64) as usize]);
        // Pareto, so that a few are very large.
        let price = Price((1000.0 / (1.0 - fraction(&mut random)).sqrt().sqrt()) as u64);
        What::Event(Event {
            number: record.what,
            name: NAMES[name],
            category,
            value: (name == VIEWED && random.below(5) > 0).then_some(price),
            revenue: (name == ORDER && random.below(33) > 0).then_some(price),
        })
    }

    fn name(&self, fraction: f64) -> usize {
        let total = self.volumes[NAMES.len() - 1];
        self.volumes.iter().position(|upto| fraction * total < *upto).unwrap_or(NAMES.len() - 1)
    }

    /// Units, strangers included.
    fn total(&self) -> u32 {
        self.scale.units + (f64::from(self.scale.units) * STRANGERS) as u32
    }

    fn enrolled(&self, unit: u32) -> u32 {
        stream("enrolled", unit).below(u64::from(ENROLMENT_DAYS * DAY)) as u32
    }

    /// Who comes: few come often, most seldom, some never.
    fn visitor(&self, random: &mut Random) -> u32 {
        /// Larger than the number of units, and prime: it deals the ranks of activity out over all.
        const STEP: u64 = 7_368_787;
        let total = u64::from(self.total());
        loop {
            let at = fraction(random);
            let rank = (at * at.sqrt() * total as f64) as u64;
            let unit = (rank * STEP % total) as u32;
            let never_comes = stream("silent", unit).below(100) < 15;
            if !never_comes {
                return unit;
            }
        }
    }
}

/// The place of the group that a unit belongs to.
fn group(unit: u32) -> usize {
    stream("group", unit).below(2) as usize
}

/// Most arrive within seconds, some within two days; all by the end.
fn received(random: &mut Random, time: u32) -> u32 {
    let delay = if random.below(100) < 3 { random.below(u64::from(2 * DAY)) } else { 50 + random.below(2_000) };
    (time + delay as u32).min(DAYS * DAY)
}

/// A stream of chance for each thing.
fn stream(of: &str, number: u32) -> Random {
    let of = of.bytes().fold(SEED, |sum, byte| mix(sum ^ u64::from(byte)));
    Random::new(mix(of ^ u64::from(number)))
}

/// Uniform from 0 to below 1.
fn fraction(random: &mut Random) -> f64 {
    (random.draw() >> 11) as f64 / (1u64 << 53) as f64
}
