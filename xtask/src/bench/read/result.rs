//! What the rounds gave: figures beside each other, and what netdiag aims at.

use std::collections::BTreeMap;
use std::time::Duration;

use super::subject::Subject;
use super::usage::Usage;
use crate::bench::report::{Figure, Report, Target, best, median};

/// The most that netdiag may have resident, in MiB, however long the file is.
const RESIDENT_TARGET_MIB: f64 = 64.0;

/// What is compared with what.
struct Pair {
    ours: Subject,
    theirs: Subject,
    goal: Option<Goal>,
}

/// What netdiag's speed aims at.
#[derive(Clone, Copy)]
enum Goal {
    /// So many packets a second.
    Rate(f64),
    /// So many times the speed of the other.
    Times(f64),
}

const fn pair(ours: Subject, theirs: Subject, goal: Option<Goal>) -> Pair {
    Pair { ours, theirs, goal }
}

const PAIRS: [Pair; 6] = [
    pair(
        Subject::Quiet,
        Subject::CapinfosCounts,
        Some(Goal::Rate(4e6)),
    ),
    pair(Subject::Quiet, Subject::Capinfos, None),
    pair(Subject::Groups, Subject::Tcpdump, Some(Goal::Times(10.0))),
    pair(Subject::Each, Subject::Tcpdump, Some(Goal::Times(10.0))),
    pair(Subject::Each, Subject::TsharkFields, None),
    pair(Subject::Json, Subject::TsharkJson, Some(Goal::Times(50.0))),
];

impl Goal {
    fn target(self, ours: Option<f64>, theirs: Option<f64>) -> Option<Target> {
        match self {
            Self::Rate(rate) => {
                let ours = ours?;
                Some(Target::new(format!(">= {rate:.0}"), ours >= rate))
            }
            Self::Times(times) => {
                let ratio = ours? / theirs?;
                Some(Target::new(format!("ratio >= {times}"), ratio >= times))
            }
        }
    }
}

/// All turns of all readers with one file.
#[derive(Debug)]
pub(super) struct Results {
    packets: u64,
    turns: BTreeMap<Subject, Vec<Usage>>,
    starts: BTreeMap<Subject, Vec<Usage>>,
}

impl Results {
    /// None yet, with a file of so many packets.
    pub(super) fn new(packets: u64) -> Self {
        Self {
            packets,
            turns: BTreeMap::new(),
            starts: BTreeMap::new(),
        }
    }

    /// How many packets the reader gets, if not all.
    pub(super) fn limit(&self, subject: Subject) -> Option<u64> {
        subject.at_most().map(|limit| limit.min(self.packets))
    }

    /// A turn with as many packets as the reader gets.
    pub(super) fn add(&mut self, subject: Subject, usage: Usage) {
        self.turns.entry(subject).or_default().push(usage);
    }

    /// A turn with one packet.
    pub(super) fn add_start(&mut self, subject: Subject, usage: Usage) {
        self.starts.entry(subject).or_default().push(usage);
    }

    /// Packets a second, and processor time for each.
    pub(super) fn speed(&self, report: &mut Report) {
        for Pair { ours, theirs, goal } in PAIRS {
            let rate = |subject| Some(1.0 / self.seconds(subject, |usage| usage.wall)?);
            let (of_ours, of_theirs) = (rate(ours), rate(theirs));
            let digits = |rate| Figure::Measure(rate, 0);
            report.row(
                format!("packets a second: {}", self.compared(ours, theirs)),
                of_ours.map(digits),
                of_theirs.map(digits),
                goal.and_then(|goal| goal.target(of_ours, of_theirs)),
            );
        }
        for Pair { ours, theirs, .. } in PAIRS {
            let nanos = |subject| Some(self.seconds(subject, |usage| usage.cpu)? * 1e9);
            let figure = |subject| nanos(subject).map(|nanos| Figure::Measure(nanos, 0));
            report.row(
                format!("CPU ns a packet: {}", self.compared(ours, theirs)),
                figure(ours),
                figure(theirs),
                None,
            );
        }
    }

    /// How much of its time the reader that waited most had the CPU. Much less than all of it says that something else
    /// ran on the same CPU, and that the packets a second say less than the processor time does.
    pub(super) fn share_of_cpu(&self, report: &mut Report) {
        let share = |is_ours: bool| {
            let turns = self.turns.iter();
            let turns = turns.filter(|(subject, _)| Subject::NETDIAG.contains(subject) == is_ours);
            let shares = turns
                .flat_map(|(_, usages)| usages)
                .map(|usage| usage.cpu.as_secs_f64() * 100.0 / usage.wall.as_secs_f64());
            best(shares).map(|share| Figure::Measure(share, 0))
        };
        report.row(
            "readers: share of the CPU that one had, least, %",
            share(true),
            share(false),
            None,
        );
    }

    /// Memory in bytes, beside the others', and beside what a program shows that takes next to none.
    pub(super) fn memory(&self, least: Option<u64>, report: &mut Report) {
        let least = least.map(|bytes| Figure::Measure(mib(bytes), 1));
        report.row(
            "most resident, MiB: the least that is seen",
            None,
            least,
            None,
        );
        for Pair { ours, theirs, .. } in PAIRS {
            // Once for each of netdiag's, beside the first that it is compared with.
            let first = PAIRS.iter().find(|pair| pair.ours == ours);
            if first.is_none_or(|first| first.theirs == theirs) {
                self.resident(ours, Some(theirs), report);
            }
        }
    }

    /// Memory of netdiag alone.
    pub(super) fn memory_of_netdiag(&self, report: &mut Report) {
        for subject in Subject::NETDIAG {
            self.resident(subject, None, report);
        }
    }

    fn resident(&self, ours: Subject, theirs: Option<Subject>, report: &mut Report) {
        let words = match theirs {
            Some(theirs) => self.compared(ours, theirs),
            None => format!("{}, {} packets", ours.short(), self.packets),
        };
        let figure = |mib| Figure::Measure(mib, 1);
        let of_ours = self.max_rss_mib(ours);
        report.row(
            format!("most resident, MiB: {words}"),
            of_ours.map(figure),
            theirs
                .and_then(|theirs| self.max_rss_mib(theirs))
                .map(figure),
            of_ours.map(|mib| {
                Target::new(
                    format!("< {RESIDENT_TARGET_MIB}"),
                    mib < RESIDENT_TARGET_MIB,
                )
            }),
        );
    }

    /// Both readers in words, and how far the other one reads if that is not to the end.
    fn compared(&self, ours: Subject, theirs: Subject) -> String {
        let limit = match self.limit(theirs) {
            Some(packets) => format!(" -c {packets}"),
            None => String::new(),
        };
        format!("{}; reference: {}{limit}", ours.short(), theirs.short())
    }

    /// Median of the seconds that one packet takes. Where only a part is read, it is the slope between one packet and
    /// that part.
    #[expect(
        clippy::cast_precision_loss,
        reason = "an average, printed without digits"
    )]
    fn seconds(&self, subject: Subject, time: fn(&Usage) -> Duration) -> Option<f64> {
        let middle = |turns: &BTreeMap<Subject, Vec<Usage>>| {
            let turns = turns.get(&subject)?;
            median(turns.iter().map(|usage| time(usage).as_secs_f64()))
        };
        let whole = middle(&self.turns)?;
        let (seconds, packets) = match self.limit(subject) {
            Some(limit) => (whole - middle(&self.starts)?, limit.saturating_sub(1)),
            None => (whole, self.packets),
        };
        (seconds > 0.0 && packets > 0).then(|| seconds / packets as f64)
    }

    /// The most in any turn.
    fn max_rss_mib(&self, subject: Subject) -> Option<f64> {
        let turns = self.turns.get(&subject)?;
        turns.iter().map(|usage| usage.max_rss).max().map(mib)
    }
}

#[expect(clippy::cast_precision_loss, reason = "printed with one digit")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Results, Subject, Usage};
    use crate::bench::report::Report;

    fn usage(millis: u64, mib: u64) -> Usage {
        Usage {
            wall: Duration::from_millis(millis),
            cpu: Duration::from_millis(millis),
            max_rss: mib << 20,
        }
    }

    fn results() -> Results {
        let mut results = Results::new(1_000_000);
        for millis in [240, 250, 900] {
            results.add(Subject::Quiet, usage(millis, 10));
        }
        results.add(Subject::Each, usage(500, 10));
        results.add(Subject::Tcpdump, usage(4_900, 10));
        results.add_start(Subject::TsharkJson, usage(1_000, 90));
        results.add(Subject::TsharkJson, usage(3_000, 100));
        results.add(Subject::Json, usage(1_000, 64));
        results
    }

    #[test]
    fn part_of_a_file_is_paid_without_the_start() {
        let results = results();
        let seconds = |subject| results.seconds(subject, |usage| usage.wall).unwrap();
        assert!((seconds(Subject::Quiet) - 250e-9).abs() < 1e-12);
        assert!((seconds(Subject::TsharkJson) - 2.0 / 19_999.0).abs() < 1e-12);
        assert_eq!(results.seconds(Subject::Groups, |usage| usage.wall), None);
    }

    #[test]
    fn targets_are_met_or_not() {
        let (mut speed, mut memory) = (Report::default(), Report::default());
        results().speed(&mut speed);
        // 4,000,000 a second and 100 times tshark; but only 9.8 times tcpdump.
        assert_eq!(speed.unmet(), 1, "{}", speed.table());
        results().memory(None, &mut memory);
        assert_eq!(memory.unmet(), 1, "{}", memory.table());
    }
}
