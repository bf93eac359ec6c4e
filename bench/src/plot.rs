//! A comparison as pictures: how our times stand to the peers', and how the times of a process fall from one measurement to the next.
//!
//! Must stay true: a picture shows the numbers of the report and no others; what did not run is missing in it, as the
//! tables say. Both axes of time are logarithmic, so that twice as fast and twice as slow look equally far.

use std::fmt::Write as _;

use crate::report::{Measured, Report, Row};

/// One for each contender, told apart also by people who do not see red and green apart (Okabe and Ito).
const COLORS: [&str; 8] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c8c8c",
];
/// Room for a program's name, in pixels.
const NAMES: f64 = 110.0;
/// Height of a program's line.
const LINE: f64 = 20.0;
/// Width of what is drawn beside the names.
const WIDTH: f64 = 560.0;
/// A panel of the curves, and the room around it.
const PANEL: (f64, f64) = (220.0, 130.0);
const GAP: (f64, f64) = (60.0, 50.0);
/// Panels in a row.
const ACROSS: usize = 4;

/// A picture that grows.
struct Svg {
    body: String,
}

impl Svg {
    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.body.write_fmt(element);
        self.body.push('\n');
    }

    fn text(&mut self, (x, y): (f64, f64), anchor: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.add(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#
        ));
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), color: &str) {
        self.add(format_args!(
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="{color}"/>"#,
            from.0, from.1, to.0, to.1
        ));
    }

    fn dot(&mut self, (x, y): (f64, f64), color: &str, what: &str) {
        self.add(format_args!(
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{color}"><title>{what}</title></circle>"#
        ));
    }

    /// The names of the contenders in their colors, from the left.
    fn legend(&mut self, names: &[String], y: f64) {
        let mut x = NAMES;
        for (name, color) in names.iter().zip(COLORS.iter().cycle()) {
            self.dot((x, y - 4.0), color, name);
            self.text((x + 8.0, y), "start", name);
            x += 40.0 + 7.0 * name.len() as f64;
        }
    }

    fn done(self, width: f64, height: f64) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{}</svg>\n",
            self.body
        )
    }
}

/// Our smallest time by each peer's, a line for each program; nothing where there is nothing to compare.
pub fn ratios(report: &Report, ours: &str) -> Option<String> {
    let peers: Vec<String> = report.active(false);
    let all: Vec<(&Row, Vec<Option<f64>>)> = report
        .rows
        .iter()
        .map(|row| {
            let of = |peer: &String| row.ratio_of_min(ours, peer).filter(|r| *r > 0.0);
            (row, peers.iter().map(of).collect())
        })
        .collect();
    let known = || all.iter().flat_map(|(_, r)| r.iter().flatten());
    let far = known().map(|r| r.log2().abs()).reduce(f64::max)?;
    // To the next power of two, and never narrower than from a half to twice.
    let far = far.ceil().max(1.0);
    let x = |ratio: f64| NAMES + WIDTH * (ratio.log2() / far + 1.0) / 2.0;
    let bottom = 60.0 + LINE * all.len() as f64;
    let mut svg = Svg {
        body: String::new(),
    };
    svg.text(
        (NAMES, 16.0),
        "start",
        &format!("{ours} / peer, smallest runtime (left: ours is faster)"),
    );
    svg.legend(&peers, 34.0);
    let step = (far / 4.0).ceil() as i32;
    for power in (-(far as i32)..=far as i32).filter(|p| p % step == 0) {
        let at = x(f64::from(power).exp2());
        let color = if power == 0 { "#000000" } else { "#dddddd" };
        svg.line((at, 48.0), (at, bottom), color);
        let label = match power {
            0.. => (1u64 << power.min(62)).to_string(),
            _ => format!("1/{}", 1u64 << (-power).min(62)),
        };
        svg.text((at, bottom + 16.0), "middle", &label);
    }
    for (n, (row, ratios)) in all.iter().enumerate() {
        let y = 60.0 + LINE * n as f64;
        svg.text((NAMES - 10.0, y + 4.0), "end", &row.program);
        let dots = ratios.iter().zip(&peers).zip(COLORS.iter().cycle());
        for ((ratio, peer), color) in dots {
            if let Some(ratio) = ratio {
                svg.dot((x(*ratio), y), color, &format!("{peer}: {ratio:.2}"));
            }
        }
    }
    Some(svg.done(NAMES + WIDTH + 40.0, bottom + 30.0))
}

/// A panel for each program: the runtimes of each contender's first process in the order in which they were taken.
pub fn curves(report: &Report) -> String {
    let mut names = report.active(true);
    names.extend(report.active(false));
    let mut svg = Svg {
        body: String::new(),
    };
    svg.text(
        (NAMES, 16.0),
        "start",
        "runtime of each measurement of a process, in milliseconds",
    );
    svg.legend(&names, 34.0);
    for (n, row) in report.rows.iter().enumerate() {
        let corner = (
            GAP.0 + (n % ACROSS) as f64 * (PANEL.0 + GAP.0),
            70.0 + (n / ACROSS) as f64 * (PANEL.1 + GAP.1),
        );
        panel(&mut svg, row, &names, corner);
    }
    let rows = report.rows.len().div_ceil(ACROSS);
    svg.done(
        GAP.0 + ACROSS as f64 * (PANEL.0 + GAP.0),
        70.0 + rows as f64 * (PANEL.1 + GAP.1),
    )
}

fn panel(svg: &mut Svg, row: &Row, names: &[String], (left, top): (f64, f64)) {
    svg.text((left, top - 8.0), "start", &row.program);
    svg.line((left, top), (left, top + PANEL.1), "#888888");
    svg.line(
        (left, top + PANEL.1),
        (left + PANEL.0, top + PANEL.1),
        "#888888",
    );
    let of = |name: &String| match &row.cell(name)?.measured {
        Measured::Runtimes(all) => Some(&all[..all.len().min(row.iterations as usize)]),
        Measured::Failed(_) => None,
    };
    let runs: Vec<Option<&[u64]>> = names.iter().map(of).collect();
    let all = || runs.iter().flatten().flat_map(|r| r.iter());
    // What took less than the clock shows counts as its smallest step.
    let us = |value: u64| (value.max(1) as f64).log2();
    let (Some(low), Some(high)) = (all().min(), all().max()) else {
        return;
    };
    let (low, high) = (us(*low), us(*high).max(us(*low) + 1.0));
    let y = |value: u64| top + PANEL.1 * (1.0 - (us(value) - low) / (high - low));
    for (at, anchor) in [(low, top + PANEL.1), (high, top + 10.0)] {
        let label = format!("{:.2}", at.exp2() / 1000.0);
        svg.text((left - 4.0, anchor), "end", &label);
    }
    let longest = runs.iter().flatten().map(|r| r.len()).max().unwrap_or(0);
    svg.text(
        (left + PANEL.0, top + PANEL.1 + 14.0),
        "end",
        &longest.to_string(),
    );
    let step = PANEL.0 / (longest.max(2) - 1) as f64;
    for (run, color) in runs.iter().zip(COLORS.iter().cycle()) {
        let points: Vec<String> = run
            .iter()
            .flat_map(|r| r.iter().enumerate())
            .map(|(i, value)| format!("{:.1},{:.1}", left + step * i as f64, y(*value)))
            .collect();
        svg.add(format_args!(
            r#"<polyline fill="none" stroke="{color}" stroke-width="1.5" points="{}"/>"#,
            points.join(" ")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn every_known_ratio_is_a_dot_and_no_other() {
        let svg = ratios(&report(), "jet-off").expect("there are ratios");
        // One in the legend, and two programs that both finished.
        assert_eq!(svg.matches("<circle").count(), 3, "{svg}");
        assert!(svg.contains("<title>luajit: 2.00</title>"));
        assert!(svg.contains("<title>luajit: 8.00</title>"));
        assert!(svg.contains(">List</text>") && svg.contains(">1/8</text>"));
        assert_eq!(ratios(&report(), "jet-on"), None);
    }

    #[test]
    fn every_program_has_a_panel() {
        let svg = curves(&report());
        for name in ["Richards", "Json", "List"] {
            assert!(svg.contains(&format!(">{name}</text>")), "{svg}");
        }
        let curves = svg.matches("<polyline").count();
        assert_eq!(curves, 6, "two contenders in three panels");
        let empty = svg.matches(r#"points="""#).count();
        assert_eq!(empty, 1, "only the run that failed has no points");
    }

    #[test]
    fn names_are_text() {
        let mut svg = Svg {
            body: String::new(),
        };
        svg.text((0.0, 0.0), "start", "a<b & c");
        assert!(svg.body.contains("a&lt;b &amp; c"));
    }
}
