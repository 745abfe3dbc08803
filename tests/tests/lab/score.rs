//! What a run of netdiag is worth, held against what the scenario expects.

use std::fs;
use std::path::Path;
use std::time::Duration;

use netdiag::lab::{Bench, Expectation, Owner, Scenario, Told};
use netdiag_tests::{Live, Run, has_reasons, has_receiving_socket, run};
use serde_json::Value;

/// What is scored.
pub(crate) const COLUMNS: [&str; 6] = ["drop", "reason", "place", "owner", "finding", "counter"];

/// One column of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Good,
    Wrong,
    /// It cannot be shown here; a note may say why.
    Absent,
}

/// A scenario's score.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    cells: [Cell; COLUMNS.len()],
    pub(crate) notes: Vec<String>,
}

impl Row {
    /// A scenario that cannot happen here.
    pub(crate) fn absent(name: &'static str, why: String) -> Self {
        Self {
            name,
            cells: [Cell::Absent; COLUMNS.len()],
            notes: vec![why],
        }
    }

    /// A scenario that failed.
    pub(crate) fn broken(name: &'static str, why: String) -> Self {
        Self {
            name,
            cells: [Cell::Wrong; COLUMNS.len()],
            notes: vec![why],
        }
    }

    pub(crate) fn is_wrong(&self) -> bool {
        self.cells.contains(&Cell::Wrong)
    }

    /// Whether the finding is there, or there is none where none may be.
    pub(crate) fn is_found(&self) -> bool {
        let at = COLUMNS.iter().position(|name| *name == "finding");
        at.is_some_and(|at| self.cells[at] == Cell::Good)
    }

    /// Whether nothing was left out either, but what the scenario does not have.
    pub(crate) fn is_full(&self) -> bool {
        !self.is_wrong() && self.notes.is_empty()
    }

    pub(crate) fn cells(&self) -> [String; COLUMNS.len()] {
        self.cells.map(|cell| {
            match cell {
                Cell::Good => "yes",
                Cell::Wrong => "WRONG",
                Cell::Absent => "n/a",
            }
            .to_owned()
        })
    }

    fn set(&mut self, column: &str, cell: Cell) {
        let at = COLUMNS.iter().position(|name| *name == column);
        self.cells[at.expect("a column")] = cell;
    }

    /// Holds a column against what must be.
    fn check(&mut self, column: &str, complaints: Vec<String>) {
        if complaints.is_empty() {
            self.set(column, Cell::Good);
        } else {
            self.set(column, Cell::Wrong);
            let notes = complaints.into_iter().take(3);
            self.notes
                .extend(notes.map(|text| format!("{column}: {text}")));
        }
    }

    /// Leaves a column out.
    fn leave(&mut self, column: &str, why: &str) {
        self.set(column, Cell::Absent);
        self.notes.push(format!("{column}: n/a, {why}"));
    }
}

/// Runs a scenario under netdiag.
pub(crate) fn score(scenario: &'static Scenario, mut bench: Bench) -> Row {
    let expect = &scenario.expect;
    assert_eq!(expect.command, "drops", "who else finds it?");
    let live = Live::within(bench.namespace(), &[]);
    let injected = bench.inject(Duration::ZERO);
    let run = live.stop();
    let netns = bench.netns().0;
    drop(bench);
    let mut row = Row {
        name: scenario.name,
        cells: [Cell::Absent; COLUMNS.len()],
        notes: Vec::new(),
    };
    if let Err(error) = injected {
        return Row::broken(scenario.name, error.to_string());
    }
    if (run.code, run.stderr.as_str(), run.ledger("lost")) != (Some(0), "", 0) {
        let why = format!("netdiag: {:?}, {}", run.code, run.stderr);
        return Row::broken(scenario.name, why);
    }
    if expect.finding.is_none() {
        row.check("finding", alarms(&run));
        return row;
    }
    if let Some(why) = miscounted(expect, &run) {
        return Row::broken(scenario.name, why);
    }
    if let Some(why) = silence(expect.told) {
        silent(&mut row, expect, &run, netns, why);
        return row;
    }
    drops(&mut row, expect, &run, netns);
    owners(&mut row, expect, &run);
    findings(&mut row, expect, &run);
    counters(&mut row, expect, &run, netns);
    row
}

/// Findings take no packet twice, and every one of the faults.
fn miscounted(expect: &Expectation, run: &Run) -> Option<String> {
    let of_packets = run.findings.iter().filter(|finding| {
        let title = finding["title"].as_str().unwrap_or_default();
        !title.contains(" without a drop event: ")
    });
    let found: u64 = of_packets
        .filter_map(|finding| finding["count"].as_u64())
        .sum();
    let of_fault = |drop: &&Value| fault_of(expect, drop).is_some();
    let faulty = run.drops.iter().filter(of_fault).count() as u64;
    let reported = run.ledger("reported");
    let fits = faulty <= found && found <= reported;
    (!fits).then(|| format!("{reported} reported, {faulty} of faults, {found} in findings"))
}

/// Why this kernel does not tell of the drops.
fn silence(told: Told) -> Option<&'static str> {
    match told {
        Told::WithReasons if !has_reasons() => Some("this kernel frees them without an event"),
        Told::WithReceiver if !has_receiving_socket() => {
            Some("this kernel does not tell whose they are")
        }
        _ => None,
    }
}

/// Scores what the kernel does not tell of: that it does not, and what counters make of it.
fn silent(row: &mut Row, expect: &Expectation, run: &Run, netns: u32, why: &str) {
    assert_eq!(expect.faults().count(), 1, "a fault alone");
    match run.drops.iter().find(|drop| !is_noise(drop)) {
        None => row.leave("drop", why),
        Some(drop) => row.check("drop", vec![format!("although {why}: {drop}")]),
    }
    let Some(counter) = expect.counted_alone.filter(|counter| is_counted(counter)) else {
        match alarms(run) {
            none if none.is_empty() => row.leave("finding", "no counter tells either"),
            alarms => row.check("finding", alarms),
        }
        return;
    };
    let alone = Expectation {
        drops: 0,
        counter: Some(counter),
        counted: expect.drops,
        ..*expect
    };
    findings(row, &alone, run);
    counters(row, &alone, run, netns);
}

/// What would wake somebody although nothing is wrong, or leave him with a riddle.
fn alarms(run: &Run) -> Vec<String> {
    let alarms = run
        .findings
        .iter()
        .filter(|finding| finding["severity"] != "info" || finding["id"] == "unexplained-drop");
    alarms
        .map(|finding| format!("{}: {}", finding["id"], finding["title"]))
        .collect()
}

/// The fault that a drop belongs to.
fn fault_of<'a>(expect: &'a Expectation, drop: &Value) -> Option<&'a Expectation> {
    let location = drop["location"].as_str().unwrap_or_default();
    let is_at = |fault: &&Expectation| {
        fault
            .functions
            .iter()
            .any(|name| location.starts_with(name))
    };
    let reason = drop["reason"].as_str();
    let is_for = |fault: &&Expectation| reason.is_none_or(|reason| fault.reasons.contains(&reason));
    expect.faults().find(|fault| is_at(fault) && is_for(fault))
}

/// What netdiag must tell of as well, and make nothing of.
fn is_noise(drop: &Value) -> bool {
    let location = drop["location"].as_str().unwrap_or_default();
    let at = |function: &str| location.starts_with(function);
    // Up to 6.1 an ICMPv6 message that was taken is freed as if it were dropped.
    let taken = at("icmpv6_rcv") && drop["reason"] != "ICMP_CSUM";
    drop["reason"] == "QUEUE_PURGE" || at("skb_queue_purge") || at("ip6_mc_input") || taken
}

fn drops(row: &mut Row, expect: &Expectation, run: &Run, netns: u32) {
    let counts = |drop: &&Value| fault_of(expect, drop).is_some() || !is_noise(drop);
    let told: Vec<&Value> = run.drops.iter().filter(counts).collect();
    let mut missing = Vec::new();
    let mut strange = Vec::new();
    if told.len() as u64 != expect.all_drops() {
        missing.push(format!("{} drops, not {}", told.len(), expect.all_drops()));
    }
    let mut misplaced = Vec::new();
    for drop in &told {
        let what = format!(
            "{} at {} on {}",
            drop["reason"], drop["location"], drop["ifname"]
        );
        match fault_of(expect, drop) {
            None => strange.push(what),
            Some(fault) => {
                let device = fault.device.is_none_or(|device| drop["ifname"] == device);
                if drop["netns"] != netns || !device {
                    misplaced.push(what);
                }
            }
        }
    }
    for fault in expect.faults() {
        let of = |drop: &&&Value| fault_of(expect, drop) == Some(fault);
        let count = told.iter().filter(of).count() as u64;
        if strange.is_empty() && count != fault.drops {
            missing.push(format!(
                "{count} of {} for {:?}",
                fault.drops, fault.finding
            ));
        }
    }
    row.check("drop", missing);
    if expect.all_drops() == 0 {
        return;
    }
    if has_reasons() {
        row.check("reason", strange);
    } else {
        row.leave("reason", "this kernel gives none");
    }
    row.check("place", misplaced);
}

fn owners(row: &mut Row, expect: &Expectation, run: &Run) {
    let mut wrong = Vec::new();
    let mut scored = false;
    for drop in &run.drops {
        let Some(fault) = fault_of(expect, drop) else {
            continue;
        };
        let known = match fault.owner {
            Owner::Unsaid => continue,
            Owner::Nobody => false,
            Owner::Process => true,
            Owner::Receiver => has_receiving_socket(),
        };
        scored = true;
        let pid = drop.get("pid").and_then(Value::as_u64);
        let right = known.then_some(u64::from(std::process::id()));
        if pid != right {
            wrong.push(format!("{pid:?}, not {right:?} at {}", drop["location"]));
        }
    }
    if scored {
        row.check("owner", wrong);
    }
}

/// What netdiag must find on this kernel.
fn finding_of(fault: &Expectation) -> Option<&'static str> {
    let vague = fault.unowned.filter(|_| !has_receiving_socket());
    vague.or(fault.finding)
}

fn findings(row: &mut Row, expect: &Expectation, run: &Run) {
    let mut wrong = Vec::new();
    let mut scored = false;
    let warnings: Vec<&Value> = run
        .findings
        .iter()
        .filter(|finding| finding["severity"] != "info")
        .collect();
    for fault in expect.faults() {
        let id = finding_of(fault).expect("a finding");
        if !is_known(id) {
            row.leave("finding", &format!("there is no rule {id}"));
            continue;
        }
        scored = true;
        let all = if fault.drops == 0 {
            fault.counted
        } else {
            fault.drops
        };
        let count = fault.found.unwrap_or(all);
        match run.findings.iter().find(|finding| finding["id"] == id) {
            None => wrong.push(format!("no {id}")),
            Some(finding) if finding["count"] != count => {
                wrong.push(format!("{} of {id}, not {count}", finding["count"]));
            }
            Some(_) => {}
        }
    }
    let expected = |finding: &Value| {
        let mut ids = expect.faults().filter_map(finding_of);
        ids.any(|id| finding["id"] == id)
    };
    if let Some(top) = run.findings.first()
        && scored
        && !expected(top)
    {
        wrong.push(format!("{} on top", top["id"]));
    }
    for finding in warnings.iter().filter(|finding| !expected(finding)) {
        wrong.push(format!("{} as well", finding["id"]));
    }
    if scored || !wrong.is_empty() {
        row.check("finding", wrong);
    }
}

fn counters(row: &mut Row, expect: &Expectation, run: &Run, netns: u32) {
    let mut wrong = Vec::new();
    let mut scored = false;
    for fault in expect.faults() {
        let Some(name) = fault.counter else {
            continue;
        };
        if !is_counted(name) {
            row.leave("counter", &format!("this kernel has no {name}"));
        } else if !is_known(name) {
            row.leave("counter", &format!("netdiag does not watch {name}"));
        } else {
            scored = true;
            let (delta, explained) = counter(run, name, netns);
            let right = explained.filter(|_| fault.drops > 0);
            if delta != fault.counted || right.is_some_and(|right| right != delta) {
                wrong.push(format!(
                    "{name} +{delta}, {explained:?} explained, not +{}",
                    fault.counted
                ));
            }
        }
    }
    if scored {
        row.check("counter", wrong);
    }
}

/// By how much a counter rose, and how much of it netdiag explains, where it does.
fn counter(run: &Run, name: &str, netns: u32) -> (u64, Option<u64>) {
    let counters = run.summary["counters"].as_array();
    let found = counters
        .into_iter()
        .flatten()
        .find(|counter| counter["name"] == name && counter["netns"] == netns);
    found.map_or((0, None), |counter| {
        (
            counter["delta"].as_u64().unwrap_or(0),
            counter["explained"].as_u64(),
        )
    })
}

/// Whether netdiag knows a finding or a counter of that name.
fn is_known(name: &str) -> bool {
    run(&["explain", name]).code == Some(0)
}

/// Whether this kernel has a counter of that name.
fn is_counted(name: &str) -> bool {
    let protocols = ["Ip", "IpExt", "Icmp", "Udp", "Tcp", "TcpExt"];
    let has = |path: &str, wanted: &dyn Fn(&str, &str) -> bool| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().any(|line| {
            let (head, rest) = line.split_once([':', ' ', '\t']).unwrap_or((line, ""));
            wanted(head, rest)
        })
    };
    // Of each device; this one came with 5.19, and has no file.
    let of_device = Path::new("/sys/class/net/lo/statistics")
        .join(name)
        .exists()
        || name == "rx_otherhost_dropped" && has_reasons();
    of_device
        || has("/proc/net/snmp6", &|head, _| head == name)
        || ["/proc/net/snmp", "/proc/net/netstat"].iter().any(|path| {
            has(path, &|head, rest| {
                protocols.contains(&head)
                    && rest
                        .split_whitespace()
                        .any(|counter| format!("{head}{counter}") == name)
            })
        })
}
