//! The result of a comparison: as tables for people and as JSON for programs.
//!
//! Must stay true: every program and every contender asked for appears, with numbers or
//! with the reason why there are none.

use std::fmt::Write as _;

use serde::Serialize;

use crate::stats;

/// A contender as it took part, or the reason why it did not.
#[derive(Debug, Clone, Serialize)]
pub struct Participant {
    /// The name in the tables.
    pub name: String,
    /// One of our modes, not a peer.
    pub ours: bool,
    /// What it says about its version; empty where it was skipped.
    pub version: String,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

/// What one contender did on one program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// All runtimes in microseconds, in the order in which they were taken.
    Runtimes(Vec<u64>),
    /// Why there are none.
    Failed(String),
}

impl Measured {
    /// All runtimes; none where it failed.
    pub fn runtimes(&self) -> &[u64] {
        match self {
            Measured::Runtimes(runtimes) => runtimes,
            Measured::Failed(_) => &[],
        }
    }
}

/// One contender on one program.
#[derive(Debug, Clone, Serialize)]
pub struct Cell {
    /// The contender.
    pub contender: String,
    /// Its smallest runtime.
    pub min_us: Option<u64>,
    /// Its median runtime.
    pub median_us: Option<u64>,
    /// What our collector took of a measurement, on average.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collector_us: Option<u64>,
    /// All of them.
    pub measured: Measured,
}

impl Cell {
    /// Sums up what was measured.
    pub fn new(contender: &str, measured: Measured) -> Cell {
        Cell {
            contender: contender.to_owned(),
            min_us: stats::minimum(measured.runtimes()),
            median_us: stats::median(measured.runtimes()),
            collector_us: None,
            measured,
        }
    }
}

/// One program with all its contenders.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The program.
    pub program: String,
    /// Measurements in each process.
    pub iterations: u32,
    /// Rounds within a measurement.
    pub inner: u32,
    /// What each contender did, in the order of the participants that were not skipped.
    pub cells: Vec<Cell>,
}

/// Ours against a peer over all programs that both finished.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mean {
    /// Our mode.
    pub ours: String,
    /// The peer.
    pub peer: String,
    /// Geometric mean of the ratios of smallest runtimes; below 1, ours is faster.
    pub ratio_of_min: Option<f64>,
    /// The same for medians.
    pub ratio_of_median: Option<f64>,
    /// The same for the first measurement of the first process.
    pub ratio_of_first: Option<f64>,
    /// The same for all measurements together.
    pub ratio_of_total: Option<f64>,
    /// How many programs that covers.
    pub programs: usize,
}

/// A whole comparison.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Which programs.
    pub suite: String,
    /// How much work was done.
    pub scale: String,
    /// Processes for each program and contender.
    pub runs: u32,
    /// The processor, as far as the system tells.
    pub machine: String,
    /// Who took part, and who did not.
    pub participants: Vec<Participant>,
    /// The numbers.
    pub rows: Vec<Row>,
    /// Ours against each peer.
    pub means: Vec<Mean>,
}

impl Report {
    /// For each program, our time with machine code by that in the interpreter: all measurements together, with what
    /// compiling took, then smallest and median. The slowest first.
    pub fn beside_interpreter(&self) -> String {
        let of = |row: &Row, name: &str| {
            let cell = row.cells.iter().find(|c| c.contender == name)?;
            Some(
                [
                    cell.measured.runtimes().iter().sum(),
                    cell.min_us?,
                    cell.median_us?,
                ]
                .map(|us: u64| us as f64),
            )
        };
        let ratios = |row: &Row| {
            let (on, off) = (of(row, "jet-on")?, of(row, "jet-off")?);
            Some([0, 1, 2].map(|k| on[k] / off[k].max(1.0)))
        };
        let rows = self.rows.iter();
        let mut all: Vec<([f64; 3], &str)> = rows
            .filter_map(|row| Some((ratios(row)?, row.program.as_str())))
            .collect();
        all.sort_by(|a, b| b.0[0].total_cmp(&a.0[0]));
        let mut out = String::from(
            "\njet-on / jet-off, all together, smallest and median (below 1: machine code is faster)\n",
        );
        for ([total, min, median], name) in all {
            let _ = writeln!(out, "{name:<12} {total:>6.2} {min:>6.2} {median:>6.2}");
        }
        out
    }

    /// Every failed run as `contender, program: reason`.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        for row in &self.rows {
            for cell in &row.cells {
                if let Measured::Failed(reason) = &cell.measured {
                    failures.push(format!("{}, {}: {reason}", cell.contender, row.program));
                }
            }
        }
        failures
    }

    /// Computes the means from the rows.
    pub fn fill_means(&mut self) {
        self.means.clear();
        for ours in self.active(true) {
            for peer in self.active(false) {
                let mins = self.ratios(&ours, &peer, |cell| cell.min_us);
                let medians = self.ratios(&ours, &peer, |cell| cell.median_us);
                let firsts = self.ratios(&ours, &peer, |cell| {
                    cell.measured.runtimes().first().copied()
                });
                let totals = self.ratios(&ours, &peer, |cell| {
                    cell.min_us.map(|_| cell.measured.runtimes().iter().sum())
                });
                self.means.push(Mean {
                    ratio_of_min: stats::geometric_mean(&mins),
                    ratio_of_median: stats::geometric_mean(&medians),
                    ratio_of_first: stats::geometric_mean(&firsts),
                    ratio_of_total: stats::geometric_mean(&totals),
                    programs: mins.len(),
                    ours: ours.clone(),
                    peer,
                });
            }
        }
    }

    /// The names of those who took part: ours, or the peers.
    pub fn active(&self, ours: bool) -> Vec<String> {
        self.participants
            .iter()
            .filter(|p| p.ours == ours && p.skipped.is_none())
            .map(|p| p.name.clone())
            .collect()
    }

    fn ratios(&self, ours: &str, peer: &str, value: fn(&Cell) -> Option<u64>) -> Vec<f64> {
        self.rows
            .iter()
            .filter_map(|row| {
                let ours = row.cell(ours).and_then(value)?;
                let peer = row.cell(peer).and_then(value)?;
                stats::ratio(ours, peer)
            })
            .collect()
    }

    /// What our collector took, in milliseconds and as ratio to each peer's whole time; nothing where it is not known.
    fn collector_table(&self, ours: &str, peers: &[String], text: &mut String) {
        let known = |row: &&Row| row.cell(ours).and_then(|c| c.collector_us).is_some();
        if !self.rows.iter().any(|r| known(&r)) {
            return;
        }
        let _ = write!(
            text,
            "\ncollector of {ours}: milliseconds of an iteration, and as ratio to the peer's whole time\n"
        );
        let mut columns = vec!["ms".to_owned()];
        columns.extend(peers.iter().cloned());
        let mut table = Table::new(&columns);
        for row in self.rows.iter().filter(known) {
            let took = row.cell(ours).and_then(|c| c.collector_us);
            let ratios = peers.iter().map(|peer| {
                let peer = row.cell(peer).and_then(|c| c.min_us);
                let both = took.zip(peer);
                ratio(both.and_then(|(took, peer)| stats::ratio(took, peer)))
            });
            table.add(
                &row.program,
                std::iter::once(runtime(took)).chain(ratios).collect(),
            );
        }
        text.push_str(&table.text());
    }

    /// The tables: smallest runtimes, then ratios for each of our modes.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut names = self.active(true);
        names.extend(self.active(false));
        text.push_str("Smallest runtime of an iteration, in milliseconds\n");
        let mut table = Table::new(&names);
        for row in &self.rows {
            let cells = names.iter().map(|name| match row.cell(name) {
                Some(cell) => runtime(cell.min_us),
                None => "-".to_owned(),
            });
            table.add(&row.program, cells.collect());
        }
        text.push_str(&table.text());

        for ours in self.active(true) {
            let peers = self.active(false);
            if peers.is_empty() {
                continue;
            }
            // Formatting into a string cannot fail.
            let _ = write!(
                text,
                "\n{ours} / peer, by smallest runtime (below 1: ours is faster)\n"
            );
            let mut table = Table::new(&peers);
            for row in &self.rows {
                let cells = peers.iter().map(|peer| {
                    let finished = |name| row.cell(name).is_some_and(|c| c.min_us.is_some());
                    match finished(&ours) && finished(peer) {
                        true => ratio(row.ratio_of_min(&ours, peer)),
                        false => "failed".to_owned(),
                    }
                });
                table.add(&row.program, cells.collect());
            }
            let mean = |value: fn(&Mean) -> Option<f64>| {
                let means = self.means.iter().filter(|m| m.ours == ours);
                means.map(|m| ratio(value(m))).collect()
            };
            table.add("geometric mean", mean(|m| m.ratio_of_min));
            table.add("the same, medians", mean(|m| m.ratio_of_median));
            table.add("first measurements", mean(|m| m.ratio_of_first));
            table.add("all measurements", mean(|m| m.ratio_of_total));
            let covered = self.means.iter().filter(|m| m.ours == ours);
            table.add(
                "programs in the mean",
                covered.map(|m| m.programs.to_string()).collect(),
            );
            text.push_str(&table.text());
            self.collector_table(&ours, &peers, &mut text);
        }

        for participant in &self.participants {
            if let Some(reason) = &participant.skipped {
                let _ = write!(text, "\nskipped {}: {reason}", participant.name);
            }
        }
        for failure in self.failures() {
            let _ = write!(text, "\nfailed {failure}");
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}

impl Row {
    /// Our smallest runtime by a peer's, where both finished.
    pub fn ratio_of_min(&self, ours: &str, peer: &str) -> Option<f64> {
        let min = |name| self.cell(name).and_then(|cell| cell.min_us);
        stats::ratio(min(ours)?, min(peer)?)
    }

    /// What a contender did.
    pub fn cell(&self, contender: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.contender == contender)
    }
}

/// Microseconds as milliseconds.
fn runtime(us: Option<u64>) -> String {
    match us {
        Some(us) => format!("{:.1}", us as f64 / 1000.0),
        None => "failed".to_owned(),
    }
}

fn ratio(value: Option<f64>) -> String {
    match value {
        Some(value) => format!("{value:.2}"),
        None => "-".to_owned(),
    }
}

/// A table with a name at the left of each row and the cells flush right.
struct Table {
    lines: Vec<Vec<String>>,
}

impl Table {
    fn new(columns: &[String]) -> Table {
        let mut head = vec![String::new()];
        head.extend(columns.iter().cloned());
        Table { lines: vec![head] }
    }

    fn add(&mut self, name: &str, cells: Vec<String>) {
        let mut line = vec![name.to_owned()];
        line.extend(cells);
        self.lines.push(line);
    }

    fn text(&self) -> String {
        let columns = self.lines.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.lines.iter().filter_map(|line| line.get(column));
            cells.map(String::len).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for line in &self.lines {
            let mut out = String::new();
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                let _ = if column == 0 {
                    write!(out, "{cell:<width$}")
                } else {
                    write!(out, "  {cell:>width$}")
                };
            }
            text.push_str(out.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    fn participant(name: &str, ours: bool, skipped: Option<&str>) -> Participant {
        Participant {
            name: name.to_owned(),
            ours,
            version: String::new(),
            skipped: skipped.map(str::to_owned),
        }
    }

    fn row(program: &str, cells: &[(&str, &[u64])]) -> Row {
        let cell = |(name, runtimes): &(&str, &[u64])| {
            let measured = if runtimes.is_empty() {
                Measured::Failed("exit status: 1".to_owned())
            } else {
                Measured::Runtimes(runtimes.to_vec())
            };
            Cell::new(name, measured)
        };
        Row {
            program: program.to_owned(),
            iterations: 2,
            inner: 1,
            cells: cells.iter().map(cell).collect(),
        }
    }

    pub fn report() -> Report {
        let mut report = Report {
            suite: "awfy".to_owned(),
            scale: "small".to_owned(),
            runs: 1,
            machine: String::new(),
            participants: vec![
                participant("jet-off", true, None),
                participant("luajit", false, None),
                participant("node", false, Some("node is not installed")),
            ],
            rows: vec![
                row(
                    "Richards",
                    &[("jet-off", &[2000, 4000]), ("luajit", &[1000, 1000])],
                ),
                row(
                    "Json",
                    &[("jet-off", &[8000, 8000]), ("luajit", &[1000, 2000])],
                ),
                row("List", &[("jet-off", &[]), ("luajit", &[1000, 2000])]),
            ],
            means: Vec::new(),
        };
        report.fill_means();
        report
    }

    #[test]
    fn means_cover_what_both_finished() {
        let mean = &report().means[0];
        assert_eq!(
            (mean.ours.as_str(), mean.peer.as_str(), mean.programs),
            ("jet-off", "luajit", 2)
        );
        assert!((mean.ratio_of_min.unwrap() - 4.0).abs() < 1e-9);
        // Medians: 3000 / 1000 and 8000 / 1500.
        assert!((mean.ratio_of_median.unwrap() - 4.0).abs() < 1e-9);
    }

    #[test]
    fn the_table_shows_everything() {
        let expected = "\
Smallest runtime of an iteration, in milliseconds
          jet-off  luajit
Richards      2.0     1.0
Json          8.0     1.0
List       failed     1.0

jet-off / peer, by smallest runtime (below 1: ours is faster)
                      luajit
Richards                2.00
Json                    8.00
List                  failed
geometric mean          4.00
the same, medians       4.00
first measurements      4.00
all measurements        4.00
programs in the mean       2

skipped node: node is not installed
failed jet-off, List: exit status: 1
";
        assert_eq!(report().text(), expected);
    }

    #[test]
    fn failures_are_listed() {
        assert_eq!(report().failures(), ["jet-off, List: exit status: 1"]);
    }

    #[test]
    fn json_has_reasons_and_numbers() {
        let json = serde_json::to_value(report()).unwrap();
        assert_eq!(json["participants"][2]["skipped"], "node is not installed");
        assert_eq!(json["rows"][0]["cells"][0]["median_us"], 3000);
        assert_eq!(
            json["rows"][2]["cells"][0]["measured"]["failed"],
            "exit status: 1"
        );
        assert_eq!(json["means"][0]["programs"], 2);
    }

    #[test]
    fn without_peers_there_are_only_runtimes() {
        let mut report = report();
        report.participants.truncate(1);
        report.rows.truncate(1);
        report.fill_means();
        assert!(report.means.is_empty());
        assert!(!report.text().contains("peer"));
    }
}
