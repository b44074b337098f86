//! Goals of a bench: what was measured beside what was asked for. Measures nothing.

use std::fmt::Write;

/// A measured value beside its floor and direction.
pub struct Goal {
    pub what: String,
    pub value: Option<f64>,
    pub floor: f64,
    pub direction: f64,
    pub unit: &'static str,
    /// False if the value was taken under easier conditions than the goal names.
    pub comparable: bool,
}

impl Goal {
    /// More is better where the direction lies above the floor.
    fn verdict(&self) -> &'static str {
        let reaches = |value: f64, bound: f64| {
            if self.direction > self.floor { value >= bound } else { value <= bound }
        };
        match self.value {
            None => "not measured",
            Some(_) if !self.comparable => "smaller than the goal's: use --full",
            Some(value) if reaches(value, self.direction) => "direction reached",
            Some(value) if reaches(value, self.floor) => "floor reached",
            Some(_) => "MISSED",
        }
    }
}

/// A line for each goal.
pub fn write(out: &mut String, goals: &[Goal]) -> std::fmt::Result {
    writeln!(out, "\n{:<56}{:>12}{:>9}{:>11}", "goal", "measured", "floor", "direction")?;
    for goal in goals {
        let value = goal.value.map_or("-".to_owned(), |_| format!("{} {}", number(goal.value), goal.unit));
        writeln!(
            out,
            "{:<56}{:>12}{:>9}{:>11}   {}",
            goal.what,
            value.trim_end(),
            goal.floor,
            goal.direction,
            goal.verdict()
        )?;
    }
    Ok(())
}

/// Three significant digits or so, whatever the size.
pub fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

/// The middle value, or the mean of the two in the middle; `None` without any.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}
