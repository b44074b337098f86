//! Which part of the units is to blame for a sample ratio that is off: an SDK, a version, a browser, a country, a day. Reads
//! exposures once more for it, so only where the ratio is off.

use super::by_group;
use crate::event::{Place, Timestamp};
use crate::results::analysis::Scene;
use crate::results::calendar::{day_of, start_of};
use crate::results::evidence::Suspect;
use crate::results::gather::Seen;
use crate::results::question::Split;
use crate::results::report::Analysis;
use crate::results::strata::{NO_TEXT, Texts};
use crate::results::units::Units;
use crate::results::{Log, LogError};
use crate::stats::{self, Balanced, WARNING_P};
use std::collections::BTreeMap;

/// By what units are told apart, beside the UTC day of their first exposure.
const PLACES: [(Place, &str); 9] = [
    (Place::Sdk, "sdkType"),
    (Place::Sdk, "sdkVersion"),
    (Place::User, "browser_name"),
    (Place::User, "browserName"),
    (Place::User, "browser_version"),
    (Place::User, "browserVersion"),
    (Place::User, "country"),
    (Place::User, "os_name"),
    (Place::User, "appVersion"),
];
/// So many parts of one kind are looked at, the largest first; the smaller ones are taken to be sound.
pub const MAX_PARTS: usize = 100;
/// So many units of each group must be expected in a part for its ratio to be tested.
pub const MIN_EXPECTED: f64 = 5.0;
/// So many suspects are named at most.
pub const MAX_SUSPECTS: usize = 10;

/// Units that share a text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub by: String,
    pub value: Option<String>,
    pub units: Vec<u64>,
}

/// Names the suspects in an analysis whose sample ratio is off.
pub(in crate::results) fn name_suspects<L: Log + ?Sized>(
    log: &L,
    scene: &Scene<'_>,
    split: &Split,
    analysis: &mut Analysis,
) -> Result<(), LogError> {
    let is_off = matches!(analysis.srm.status, Some(Balanced::Warning | Balanced::Alert));
    let Some(exposures) = scene.gathered.exposures(split.rule_id()).filter(|_| is_off) else { return Ok(()) };
    let units = scene.units(split, exposures);
    let mut firsts = Firsts::default();
    scene.gathered.read_exposures(log, exposures, &PLACES, &mut |seen| {
        if units.memberships(seen.unit).any(|member| member.since == seen.time) {
            firsts.meet(seen);
        }
    })?;
    let weights: Vec<f64> = split.groups.iter().map(|group| group.size).collect();
    analysis.srm.suspects = suspects(firsts.parts(&units), &units.sizes, &weights);
    if let Some(check) = analysis.health.iter_mut().find(|check| check.check == "srm") {
        check.detail.push_str(&told(split, &analysis.srm.suspects));
        if let (Some(remedy), Some(first)) = (&mut check.remedy, analysis.srm.suspects.first()) {
            remedy.push_str(&format!(" Begin with {}: what is different there?", named(first)));
        }
    }
    Ok(())
}

fn named(suspect: &Suspect) -> String {
    format!("{} {}", suspect.by, suspect.value.as_deref().unwrap_or("(none)"))
}

fn told(split: &Split, suspects: &[Suspect]) -> String {
    let one =
        |suspect: &Suspect| format!("{} ({}, p {:.1e})", named(suspect), by_group(split, &suspect.units), suspect.p);
    match suspects.len() {
        0 => "; no SDK, version, browser, country, system or day stands out".to_owned(),
        _ => {
            let all: Vec<String> = suspects.iter().map(one).collect();
            format!("; off in {}, while the rest is fine", all.join(", "))
        }
    }
}

/// A part is suspect if its own ratio is off, it differs from the rest, and without all such parts of its kind the rest is
/// balanced. The first is tested at `WARNING_P` over the number of parts that were looked at (Bonferroni). The second keeps
/// a large part from being accused of what is so everywhere, because the little that is left proves nothing.
pub(super) fn suspects(kinds: Vec<Vec<Part>>, sizes: &[u64], weights: &[f64]) -> Vec<Suspect> {
    let least_weight = weights.iter().copied().filter(|weight| *weight > 0.0).fold(f64::INFINITY, f64::min);
    let least_share = least_weight / weights.iter().filter(|weight| **weight > 0.0).sum::<f64>();
    let is_tested = |part: &Part| part.units.iter().sum::<u64>() as f64 * least_share >= MIN_EXPECTED;
    let kinds: Vec<Vec<Part>> = kinds.into_iter().filter(|parts| parts.len() > 1).collect();
    let looked_at = kinds.iter().flatten().filter(|part| is_tested(part)).count() as f64;
    let mut found: Vec<Suspect> = Vec::new();
    for parts in kinds {
        let off = |part: &Part| {
            let rest = without(sizes, &part.units);
            let own = stats::balance(&part.units, Some(weights)).ok()?.p * looked_at;
            let apart = stats::same_shares(&part.units, &rest).ok()?;
            (own < WARNING_P && apart < WARNING_P).then_some(own)
        };
        let mut rest = sizes.to_vec();
        let mut suspects = Vec::new();
        for part in parts.into_iter().filter(is_tested) {
            if let Some(p) = off(&part) {
                rest = without(&rest, &part.units);
                suspects.push(Suspect { by: part.by, value: part.value, units: part.units, p: p.min(1.0) });
            }
        }
        if stats::balance(&rest, Some(weights)).is_ok_and(|rest| rest.status == Balanced::Ok) {
            found.append(&mut suspects);
        }
    }
    let key = |suspect: &Suspect| (suspect.by.clone(), suspect.value.clone());
    found.sort_by(|a, b| a.p.total_cmp(&b.p).then_with(|| key(a).cmp(&key(b))));
    found.truncate(MAX_SUSPECTS);
    found
}

fn without(sizes: &[u64], part: &[u64]) -> Vec<u64> {
    sizes.iter().zip(part).map(|(all, part)| all.saturating_sub(*part)).collect()
}

/// The texts of each unit's first exposure.
#[derive(Default)]
struct Firsts {
    texts: Texts,
    /// By unit.
    met: Vec<(Timestamp, [u32; PLACES.len()])>,
}

impl Firsts {
    /// Of two exposures at one moment the lesser texts count, so that the order of the log does not show.
    fn meet(&mut self, seen: &Seen<'_>) {
        let mut codes = [NO_TEXT; PLACES.len()];
        for (code, text) in codes.iter_mut().zip(&seen.texts) {
            *code = text.map_or(NO_TEXT, |text| self.texts.code(text));
        }
        let (at, time) = (seen.unit as usize, seen.time);
        if self.met.len() <= at {
            self.met.resize(at + 1, (Timestamp::MAX, [NO_TEXT; PLACES.len()]));
        }
        let (known, known_codes) = self.met[at];
        if time < known || (time == known && self.all(&codes) < self.all(&known_codes)) {
            self.met[at] = (time, codes);
        }
    }

    /// Texts of codes, comparable: what has none comes last.
    fn all(&self, codes: &[u32; PLACES.len()]) -> [(bool, Option<&str>); PLACES.len()] {
        codes.map(|code| (code == NO_TEXT, self.texts.text(code)))
    }

    /// The units that take part by each kind of text, the largest parts first.
    fn parts(&self, units: &Units) -> Vec<Vec<Part>> {
        let groups = units.sizes.len();
        let mut by_code: Vec<BTreeMap<u32, Vec<u64>>> = vec![BTreeMap::new(); PLACES.len()];
        let mut by_day: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
        for (unit, member) in units.all() {
            let Some(group) = member.group() else { continue };
            by_day.entry(day_of(member.since.0)).or_insert_with(|| vec![0; groups])[group] += 1;
            let codes = self.met.get(unit as usize).map_or([NO_TEXT; PLACES.len()], |(_, codes)| *codes);
            for (parts, code) in by_code.iter_mut().zip(codes) {
                parts.entry(code).or_insert_with(|| vec![0; groups])[group] += 1;
            }
        }
        let mut kinds: Vec<Vec<Part>> = by_code
            .into_iter()
            .zip(PLACES)
            .map(|(parts, (place, key))| {
                let by = format!("{}.{key}", place.as_str());
                let part = |(code, units)| {
                    let value = self.texts.text(code).map(str::to_owned);
                    Part { by: by.clone(), value, units }
                };
                parts.into_iter().map(part).collect()
            })
            .collect();
        let day = |(day, units)| {
            let value = Timestamp(start_of(day)).to_string().chars().take(10).collect();
            Part { by: "day".to_owned(), value: Some(value), units }
        };
        kinds.push(by_day.into_iter().map(day).collect());
        kinds.into_iter().map(largest).collect()
    }
}

/// Equal ones in the order of their text, so that the order of the log does not show.
fn largest(mut parts: Vec<Part>) -> Vec<Part> {
    let size = |part: &Part| part.units.iter().sum::<u64>();
    parts.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| a.value.cmp(&b.value)));
    parts.truncate(MAX_PARTS);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(by: &str, parts: &[[u64; 2]]) -> Vec<Part> {
        let part = |(n, units): (usize, &[u64; 2])| Part {
            by: by.to_owned(),
            value: Some(format!("{n:03}")),
            units: units.to_vec(),
        };
        parts.iter().enumerate().map(part).collect()
    }

    fn found(kinds: Vec<Vec<Part>>, sizes: [u64; 2]) -> Vec<String> {
        suspects(kinds, &sizes, &[50.0, 50.0]).iter().map(named).collect()
    }

    #[test]
    fn a_part_is_suspect_only_if_the_rest_is_fine_without_it() {
        // In the first kind one part is off; in the second both are.
        let kinds = || vec![kind("a", &[[500, 500], [500, 380]]), kind("b", &[[500, 440], [500, 440]])];
        assert_eq!(found(kinds(), [1000, 880]), ["a 001"]);
        // The same numbers where more is missing than the part explains.
        assert_eq!(found(vec![kind("a", &[[500, 500], [500, 380], [3000, 2600]])], [4000, 3480]), Vec::<String>::new());
        assert_eq!(found(vec![kind("a", &[[1000, 880]])], [1000, 880]), Vec::<String>::new(), "a part has a rest");
        // A few units beside a part that is off like the whole prove nothing.
        assert_eq!(found(vec![kind("a", &[[970, 850], [30, 30]])], [1000, 880]), Vec::<String>::new());
    }

    #[test]
    fn what_is_looked_at_is_made_up_for_and_small_parts_are_not_looked_at() {
        // By itself p is 0.0016: enough beside one other part, too little beside nine.
        let off = [500, 405];
        let few = vec![kind("a", &[[2000, 2000], off])];
        assert_eq!(found(few, [2500, 2405]), ["a 001"]);
        let sound: Vec<[u64; 2]> = (0..9).map(|_| [2000, 2000]).collect();
        let many = vec![kind("a", &[sound, vec![off]].concat())];
        assert_eq!(found(many, [18_500, 18_405]), Vec::<String>::new());

        for (units, tested) in [([10, 0], true), ([9, 0], false)] {
            let part = kind("a", &[[1000, 1000], units]);
            assert_eq!(suspects(vec![part], &[1000 + units[0], 1000], &[50.0, 50.0]).len(), usize::from(tested));
        }
    }

    #[test]
    fn the_clearest_suspects_are_named_and_not_too_many() {
        let lossy: Vec<[u64; 2]> = (0..MAX_SUSPECTS as u64 + 2).map(|n| [400, 200 + 2 * n]).collect();
        let sizes = lossy.iter().fold([90_000, 90_000], |sum, part| [sum[0] + part[0], sum[1] + part[1]]);
        let all = found(vec![kind("a", &[lossy, vec![[90_000, 90_000]]].concat())], sizes);
        assert_eq!((all.len(), all[0].as_str(), all[1].as_str()), (MAX_SUSPECTS, "a 000", "a 001"));
    }

    #[test]
    fn only_the_largest_parts_of_a_kind_are_looked_at() {
        for (parts, kept) in [(MAX_PARTS, MAX_PARTS), (MAX_PARTS + 1, MAX_PARTS)] {
            let all: Vec<Part> = kind("a", &vec![[1, 1]; parts]);
            assert_eq!(largest(all).len(), kept);
        }
        let sorted = largest(kind("a", &[[1, 1], [5, 5], [1, 1]]));
        assert_eq!(sorted.iter().map(|part| part.value.as_deref().unwrap()).collect::<Vec<_>>(), ["001", "000", "002"]);
    }
}
