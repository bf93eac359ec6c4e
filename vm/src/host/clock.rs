//! `Clock` and `Timer`: what time it is, and how much of it has passed.
//!
//! The clock is coarse (whole milliseconds) and never goes back; the timer is fine, and a
//! capability of its own, because fine time tells what others do.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{HostAnswer, HostCapability, HostCx, HostMethod, HostStruct, HostType, HostValue};

static INSTANT: HostStruct = HostStruct {
    name: "Instant",
    fields: &[("millis", HostType::Int)],
};
static DATE: HostStruct = HostStruct {
    name: "Date",
    fields: &[
        ("year", HostType::Int),
        ("month", HostType::Int),
        ("day", HostType::Int),
    ],
};

static CLOCK: [HostMethod; 2] = [
    HostMethod {
        name: "now",
        params: &[],
        ret: HostType::Struct(&INSTANT),
        errors: &[],
    },
    HostMethod {
        name: "today",
        params: &[],
        ret: HostType::Struct(&DATE),
        errors: &[],
    },
];
static TIMER: [HostMethod; 1] = [HostMethod {
    name: "nanos",
    params: &[],
    ret: HostType::Int,
    errors: &[],
}];

/// Coarse time since the epoch of Unix, and the date in UTC.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    since_epoch: Duration,
    /// Milliseconds.
    resolution: u128,
}

impl Clock {
    /// The clock of this machine, read once; from then on it is advanced monotonically, in steps of a millisecond or of the
    /// resolution.
    #[must_use]
    pub fn process(resolution: Option<Duration>) -> Self {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Clock {
            start: Instant::now(),
            since_epoch,
            resolution: resolution.map_or(1, |r| r.as_millis().max(1)),
        }
    }

    /// Milliseconds since the epoch.
    fn now(&self) -> i64 {
        let now = self
            .since_epoch
            .saturating_add(self.start.elapsed())
            .as_millis();
        i64::try_from(now - now % self.resolution).unwrap_or(i64::MAX)
    }
}

impl HostCapability for Clock {
    fn interface(&self) -> (&'static str, &'static str) {
        ("std", "Clock")
    }

    fn methods(&self) -> &'static [HostMethod] {
        &CLOCK
    }

    fn call(&mut self, method: usize, args: &[HostValue], _: &mut HostCx<'_>) -> HostAnswer {
        let answer = match (method, args) {
            (0, []) => Ok(HostValue::Record(vec![HostValue::Int(self.now())])),
            (1, []) => {
                let (year, month, day) = civil(self.now() / 86_400_000);
                Ok(HostValue::Record(
                    [year, month, day].map(HostValue::Int).to_vec(),
                ))
            }
            _ => Err(super::wrong_arguments(&CLOCK, method)),
        };
        answer.into()
    }

    fn scope_text(&self) -> String {
        match self.resolution {
            1 => "the time, in milliseconds".to_owned(),
            n => format!("the time, in steps of {n} milliseconds"),
        }
    }
}

/// Year, month and day of a day counted from 1 January 1970, in the Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    // Counted from 1 March 0000, so that the leap day is the last of its year.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Nanoseconds since the instance was made.
#[derive(Debug)]
pub struct Timer {
    start: Instant,
}

impl Timer {
    /// A timer that starts now.
    #[must_use]
    pub fn process() -> Self {
        Timer {
            start: Instant::now(),
        }
    }
}

impl HostCapability for Timer {
    fn interface(&self) -> (&'static str, &'static str) {
        ("std", "Timer")
    }

    fn methods(&self) -> &'static [HostMethod] {
        &TIMER
    }

    fn call(&mut self, method: usize, args: &[HostValue], _: &mut HostCx<'_>) -> HostAnswer {
        let answer = match (method, args) {
            (0, []) => Ok(HostValue::Int(
                i64::try_from(self.start.elapsed().as_nanos()).unwrap_or(i64::MAX),
            )),
            _ => Err(super::wrong_arguments(&TIMER, method)),
        };
        answer.into()
    }

    fn scope_text(&self) -> String {
        "elapsed time, in nanoseconds".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_multiples_of_the_resolution() {
        let clock = Clock::process(Some(Duration::from_secs(3600)));
        let (now, exact) = (clock.now(), Clock::process(None).now());
        assert!(
            now % 3_600_000 == 0 && now <= exact && exact - now < 7_200_000,
            "{now}"
        );
        assert_eq!(Clock::process(Some(Duration::ZERO)).resolution, 1);
    }

    #[test]
    fn dates_are_gregorian() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(-1), (1969, 12, 31));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(20_454), (2026, 1, 1));
        assert_eq!(civil(47_541), (2100, 3, 1));
    }
}
