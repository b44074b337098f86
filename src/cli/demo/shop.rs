//! The simulated shop: who came, what they saw and bought, and what they were shown. Pure: the same plan gives the same
//! weeks. Knows no wire; the effect it builds in is stated in [`TRUTHS`].

use super::dice::Dice;
use crate::event::Timestamp;
use crate::results::MetricKind;

const HOUR: f64 = 3_600_000.0;
const DAY: f64 = 24.0 * HOUR;

/// What the checkout button truly does to the probability of ever ordering, relative to the old one.
pub const TRUE_LIFT: f64 = 0.12;
/// Of those who see their cart, the old button makes so many order; it differs between people by this much either way.
const CONVERSION: f64 = 0.40;
const CONVERSION_SPREAD: f64 = 0.15;
/// Visits after the first, each with this probability of being followed by another.
const RETURNS: f64 = 0.45;
const VISITS: u32 = 8;
const DAYS_BETWEEN_VISITS: f64 = 3.0;
/// Visitors with an account, and those of them who shop for a company.
const ACCOUNTS: f64 = 0.5;
const COMPANY_SHARE: f64 = 0.2;
pub const COMPANIES: u64 = 40;

/// What is sold: name, category, price in cents.
pub const PRODUCTS: [(&str, &str, u32); 12] = [
    ("Trail Runner", "shoes", 11_900),
    ("City Sneaker", "shoes", 8_900),
    ("Rain Boot", "shoes", 6_450),
    ("Wool Sock", "socks", 1_290),
    ("Running Sock", "socks", 990),
    ("Rain Jacket", "jackets", 14_900),
    ("Wind Shell", "jackets", 9_900),
    ("Down Vest", "jackets", 12_900),
    ("Day Pack", "bags", 7_900),
    ("Travel Duffel", "bags", 10_900),
    ("Water Bottle", "gear", 1_990),
    ("Head Torch", "gear", 3_490),
];

/// What is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    pub seed: u64,
    pub visitors: u32,
    pub days: u32,
    /// Nothing happens at or after it.
    pub end: Timestamp,
}

impl Plan {
    pub fn start(&self) -> Timestamp {
        Timestamp(self.end.0 - i64::from(self.days) * DAY as i64)
    }
}

/// Which checkout button a visitor gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    Old,
    New,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visitor {
    pub account: bool,
    /// 0..COMPANIES.
    pub company: Option<u64>,
    pub button: Button,
    /// Passes the gate of the new search.
    pub new_search: bool,
    /// Picks locale, browser and network.
    pub flavour: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    Home,
    Search,
    Product,
    Cart,
}

/// What a visitor did or was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    SignedIn,
    JoinedCompany,
    Saw(Page),
    ShownSearch,
    ShownButton,
    /// An index into [`PRODUCTS`].
    ViewedProduct(usize),
    AddedProduct(usize),
    StartedCheckout,
    /// What it cost in cents, and the first product in it.
    CompletedOrder(u32, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Happening {
    pub at: Timestamp,
    pub visitor: u32,
    /// Counts a visitor's happenings from 0.
    pub nth: u32,
    pub deed: Deed,
}

/// All that happened, in order of time.
pub struct Shop {
    pub visitors: Vec<Visitor>,
    pub happenings: Vec<Happening>,
}

/// What is true of the simulated shop, to be put beside what was measured.
pub struct Truth {
    /// The experiment or gate.
    pub of: &'static str,
    /// The event whose metric it is, as stored.
    pub metric: &'static str,
    pub kind: MetricKind,
    /// The relative effect on it.
    pub lift: f64,
}

impl Truth {
    /// The metric's type for people.
    pub fn what(&self) -> &'static str {
        match self.kind {
            MetricKind::EventUser => "whether",
            _ => "how often",
        }
    }
}

pub const EXPERIMENT: &str = "checkout_button";
pub const GATE: &str = "new_search";

/// Whether somebody ever orders depends on the button; how often and for how much those order who do, and what anybody looks
/// at, does not. So orders and orderers gain exactly the lift, and views gain nothing. The new search does nothing.
pub const TRUTHS: [Truth; 4] = [
    Truth { of: EXPERIMENT, metric: "segment::Order Completed", kind: MetricKind::EventUser, lift: TRUE_LIFT },
    Truth { of: EXPERIMENT, metric: "segment::Order Completed", kind: MetricKind::EventCount, lift: TRUE_LIFT },
    Truth { of: EXPERIMENT, metric: "segment::Product Viewed", kind: MetricKind::EventCount, lift: 0.0 },
    Truth { of: GATE, metric: "segment::Product Viewed", kind: MetricKind::EventCount, lift: 0.0 },
];

/// Lets the weeks pass.
pub fn simulate(plan: &Plan) -> Shop {
    let mut visitors = Vec::with_capacity(plan.visitors as usize);
    let mut happenings = Vec::new();
    for number in 0..plan.visitors {
        let mut dice = Dice::seeded(plan.seed, u64::from(number));
        let visitor = meet(&mut dice);
        visitors.push(visitor);
        let mut diary = Diary { plan, number, nth: 0, dice, happenings: &mut happenings };
        diary.weeks(&visitor);
    }
    happenings.sort_unstable_by_key(|happening| (happening.at, happening.visitor, happening.nth));
    Shop { visitors, happenings }
}

fn meet(dice: &mut Dice) -> Visitor {
    let account = dice.chance(ACCOUNTS);
    let company = (account && dice.chance(COMPANY_SHARE)).then(|| dice.below(COMPANIES));
    let button = if dice.chance(0.5) { Button::New } else { Button::Old };
    Visitor { account, company, button, new_search: dice.chance(0.5), flavour: dice.next() }
}

/// What one visitor does, from the first visit to the last.
struct Diary<'a> {
    plan: &'a Plan,
    number: u32,
    nth: u32,
    dice: Dice,
    happenings: &'a mut Vec<Happening>,
}

impl Diary<'_> {
    fn weeks(&mut self, visitor: &Visitor) {
        let mut at = self.plan.start().0 as f64 + self.dice.fraction() * f64::from(self.plan.days) * DAY;
        // Decided when the button is first seen.
        let mut will_order = None;
        for visit in 0..VISITS {
            at = self.visit(at, visitor, visit == 0, &mut will_order);
            if !self.dice.chance(RETURNS) {
                return;
            }
            at += self.dice.exponential(DAYS_BETWEEN_VISITS * DAY);
        }
    }

    /// Tells when it ended.
    fn visit(&mut self, mut at: f64, visitor: &Visitor, first: bool, will_order: &mut Option<bool>) -> f64 {
        self.happens(&mut at, 0.0, Deed::Saw(Page::Home));
        if first && visitor.account {
            self.happens(&mut at, 4.0, Deed::SignedIn);
            if visitor.company.is_some() {
                self.happens(&mut at, 1.0, Deed::JoinedCompany);
            }
        }
        if self.dice.chance(0.5) {
            if visitor.account {
                self.happens(&mut at, 6.0, Deed::ShownSearch);
            }
            self.happens(&mut at, 1.0, Deed::Saw(Page::Search));
        }
        let mut product = 0;
        for _ in 0..self.dice.between(1, 4) {
            product = self.dice.below(PRODUCTS.len() as u64) as usize;
            self.happens(&mut at, 15.0, Deed::Saw(Page::Product));
            self.happens(&mut at, 1.0, Deed::ViewedProduct(product));
        }
        if self.dice.chance(0.4) {
            self.happens(&mut at, 20.0, Deed::AddedProduct(product));
            self.cart(&mut at, visitor, product, will_order);
        }
        at
    }

    fn cart(&mut self, at: &mut f64, visitor: &Visitor, product: usize, will_order: &mut Option<bool>) {
        self.happens(at, 5.0, Deed::ShownButton);
        self.happens(at, 0.5, Deed::Saw(Page::Cart));
        let first_time = will_order.is_none();
        let orderer = *will_order.get_or_insert_with(|| {
            let own = CONVERSION + CONVERSION_SPREAD * (2.0 * self.dice.fraction() - 1.0);
            let lifted = if visitor.button == Button::New { own * (1.0 + TRUE_LIFT) } else { own };
            self.dice.chance(lifted)
        });
        // Drawn for everybody, so that neither arm's later visits differ in anything but the orders.
        let again = self.dice.chance(0.5);
        let hesitates = self.dice.chance(0.35);
        let pieces = self.dice.between(1, 3) as u32;
        if orderer && (first_time || again) {
            self.happens(at, 30.0, Deed::StartedCheckout);
            let (_, _, price) = PRODUCTS[product];
            self.happens(at, 60.0, Deed::CompletedOrder(price * pieces, product));
        } else if hesitates {
            self.happens(at, 30.0, Deed::StartedCheckout);
        }
    }

    /// Something happens about so many seconds later, unless the weeks are over by then.
    fn happens(&mut self, at: &mut f64, seconds: f64, deed: Deed) {
        *at += 1.0 + self.dice.exponential(seconds * 1_000.0);
        let time = Timestamp(*at as i64);
        if time < self.plan.end {
            self.happenings.push(Happening { at: time, visitor: self.number, nth: self.nth, deed });
        }
        self.nth += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(visitors: u32) -> Plan {
        Plan { seed: 1, visitors, days: 28, end: Timestamp(1_795_438_699_353) }
    }

    /// Units, orderers and orders after the first sight of the button, counted here and nowhere else.
    fn arm(shop: &Shop, button: Button) -> (f64, f64, f64) {
        let mut orders = vec![None::<u32>; shop.visitors.len()];
        for happening in &shop.happenings {
            let count = &mut orders[happening.visitor as usize];
            match happening.deed {
                Deed::ShownButton => *count = count.or(Some(0)),
                Deed::CompletedOrder(..) => *count = count.map(|n| n + 1),
                _ => {}
            }
        }
        let counts: Vec<u32> =
            orders.iter().zip(&shop.visitors).filter(|(_, v)| v.button == button).filter_map(|(n, _)| *n).collect();
        let ordered = counts.iter().filter(|&&n| n > 0).count();
        (counts.len() as f64, ordered as f64, f64::from(counts.iter().sum::<u32>()))
    }

    #[test]
    fn the_same_plan_gives_the_same_weeks() {
        let (a, b) = (simulate(&plan(300)), simulate(&plan(300)));
        assert_eq!(a.visitors, b.visitors);
        assert_eq!(a.happenings, b.happenings);
        let other = simulate(&Plan { seed: 2, ..plan(300) });
        assert_ne!(a.happenings, other.happenings);
        let fewer = simulate(&plan(100));
        assert_eq!(fewer.visitors, a.visitors[..100], "a visitor's weeks do not depend on how many others come");
    }

    #[test]
    fn everything_happens_within_the_weeks_and_in_order() {
        let plan = plan(500);
        let shop = simulate(&plan);
        assert!(shop.happenings.is_sorted_by_key(|happening| happening.at));
        assert!(shop.happenings.iter().all(|happening| (plan.start()..plan.end).contains(&happening.at)));
    }

    #[test]
    fn the_stated_effect_is_there() {
        // Many visitors, so that a wrong effect could not hide: the standard error of the lift is about 0.6 %.
        let shop = simulate(&plan(250_000));
        let (old_n, old_orderers, old_orders) = arm(&shop, Button::Old);
        let (new_n, new_orderers, new_orders) = arm(&shop, Button::New);
        let (p, q) = (old_orderers / old_n, new_orderers / new_n);
        let lift = q / p - 1.0;
        let error = (q / p) * ((1.0 - p) / (p * old_n) + (1.0 - q) / (q * new_n)).sqrt();
        assert!((lift - TRUE_LIFT).abs() < 4.0 * error, "measured {lift} +- {error}");
        assert!(error < 0.008, "{error}");
        // Orders of a unit vary by less than twice what a yes or no does.
        let orders = (new_orders / new_n) / (old_orders / old_n) - 1.0;
        assert!((orders - TRUE_LIFT).abs() < 8.0 * error, "measured {orders}");
        let split = old_n / (old_n + new_n);
        assert!((split - 0.5).abs() < 4.0 * 0.5 / (old_n + new_n).sqrt(), "an even split: {split}");
    }

    #[test]
    fn views_after_the_button_gain_nothing() {
        let shop = simulate(&plan(250_000));
        let mut views = vec![None::<f64>; shop.visitors.len()];
        for happening in &shop.happenings {
            let count = &mut views[happening.visitor as usize];
            match happening.deed {
                Deed::ShownButton => *count = count.or(Some(0.0)),
                Deed::ViewedProduct(_) => *count = count.map(|n| n + 1.0),
                _ => {}
            }
        }
        let of = |button: Button| {
            let of_button = views.iter().zip(&shop.visitors).filter(|(_, visitor)| visitor.button == button);
            let counts: Vec<f64> = of_button.filter_map(|(count, _)| *count).collect();
            let n = counts.len() as f64;
            let mean = counts.iter().sum::<f64>() / n;
            (mean, counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / (n - 1.0) / n)
        };
        let ((old, old_variance), (new, new_variance)) = (of(Button::Old), of(Button::New));
        let error = (old_variance + new_variance).sqrt();
        assert!((new - old).abs() < 4.0 * error, "{old} and {new}, +- {error}");
        assert!(error / old < 0.015, "{error}");
    }

    #[test]
    fn nobody_orders_before_the_button_was_shown() {
        let shop = simulate(&plan(2_000));
        let mut shown = vec![false; shop.visitors.len()];
        for happening in &shop.happenings {
            match happening.deed {
                Deed::ShownButton => shown[happening.visitor as usize] = true,
                Deed::CompletedOrder(..) => assert!(shown[happening.visitor as usize]),
                _ => {}
            }
        }
    }
}
