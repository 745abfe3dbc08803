//! Segments that are lost, or seem to be, and how the client finds out.

use super::{acknowledgement, data, without_probes};
use crate::tcp::{Connection, Fault, Hook, ONCE, Outcome, Pair, Side, Watch};

/// What an Ethernet device carries of a stream in one segment, with timestamps.
const MSS: usize = 1448;

/// The client sends so many bytes through a fault, the server reads them, and the client closes.
fn through<'a>(pair: &'a Pair, bytes: usize, fault: impl FnOnce() -> Fault<'a>) -> Outcome {
    let watch = Watch::new(pair);
    let mut connection = Connection::open(pair);
    connection.ping();
    let fault = fault();
    connection.send(bytes);
    connection.receive(bytes);
    // The answer follows what the server has read.
    connection.ping();
    drop(fault);
    let (from, to) = (connection.from, connection.to);
    connection.close(Side::Client);
    watch.outcome(&[from], to)
}

/// One segment is lost, and tail loss probes are off: it is sent again after the retransmission timeout.
///
/// The client's `TcpRetransSegs` and `TcpExtTCPTimeouts` grow by 1.
#[must_use]
pub fn data_lost_rto(pair: &Pair) -> Outcome {
    let _timeout = without_probes(pair);
    let rule = format!("{} {ONCE} drop", data());
    through(pair, 1000, || {
        pair.fault(Side::Server, Hook::Input, &[&rule])
    })
}

/// Ten segments that are sent at once are lost, all of them, and tail loss probes are off: the first is sent again
/// after the retransmission timeout, the others as acknowledgements come.
///
/// The client's `TcpRetransSegs` grows by 10, `TcpExtTCPTimeouts` by 1 and `TcpExtTCPSlowStartRetrans` by 9; so it does
/// with [`Pair::with_gso`], where it takes fewer packets.
#[must_use]
pub fn window_lost_rto(pair: &Pair) -> Outcome {
    let _timeout = without_probes(pair);
    // More than the ten are with a header each, less than they are with one header and one segment more.
    let rule = format!("{} quota until 15500 bytes drop", data());
    through(pair, 10 * MSS, || {
        pair.fault(Side::Server, Hook::Input, &[&rule])
    })
}

/// The last segment of a stream is lost: a tail loss probe sends it again.
///
/// The client's `TcpRetransSegs` and `TcpExtTCPLossProbes` grow by 1, `TcpExtTCPTimeouts` does not.
#[must_use]
pub fn tail_lost_tlp(pair: &Pair) -> Outcome {
    let rule = format!("{} {ONCE} drop", data());
    through(pair, 1000, || {
        pair.fault(Side::Server, Hook::Input, &[&rule])
    })
}

/// Of ten segments that are sent at once, the third is lost: what the later ones say lets the client send it again at
/// once.
///
/// The client's `TcpRetransSegs` and `TcpExtTCPFastRetrans` grow by 1, `TcpExtTCPTimeouts` and `TcpExtTCPLossProbes`
/// do not.
#[must_use]
pub fn middle_lost_fast(pair: &Pair) -> Outcome {
    let two = format!("{} limit rate 1/hour burst 2 packets accept", data());
    let third = format!("{} {ONCE} drop", data());
    through(pair, 10 * MSS, || {
        pair.fault(Side::Server, Hook::Input, &[&two, &third])
    })
}

/// A segment arrives, its acknowledgement does not, and the client sends it again: the server says that it had it
/// (DSACK).
///
/// The client's `TcpRetransSegs`, `TcpExtTCPTimeouts` and `TcpExtTCPDSACKRecv` grow by 1, and the server's
/// `TcpExtTCPDSACKOldSent`.
#[must_use]
pub fn spurious(pair: &Pair) -> Outcome {
    let _timeout = without_probes(pair);
    let watch = Watch::new(pair);
    let mut connection = Connection::open(pair);
    connection.ping();
    let rule = format!("{} {ONCE} drop", acknowledgement());
    let fault = pair.fault(Side::Client, Hook::Input, &[&rule]);
    connection.send(1000);
    connection.receive(1000);
    watch.wait(Side::Client, "TcpExtTCPDSACKRecv", 1);
    drop(fault);
    let (from, to) = (connection.from, connection.to);
    connection.close(Side::Client);
    watch.outcome(&[from], to)
}

/// A segment is lost on its way, and a firewall of the client's own drops its first retransmission; the second
/// arrives. The application is told nothing: unlike a datagram's, a segment's error is TCP's own.
///
/// The client's `TcpRetransSegs` and `TcpExtTCPTimeouts` grow by 2, and its `TcpExtTCPRetransFail` by 1.
#[must_use]
pub fn local_drop(pair: &Pair) -> Outcome {
    let _timeout = without_probes(pair);
    let watch = Watch::new(pair);
    let mut connection = Connection::open(pair);
    connection.ping();
    let lost = format!("{} {ONCE} drop", data());
    let first = format!("{} {ONCE} accept", data());
    let second = format!("{} {ONCE} drop", data());
    let faults = [
        pair.fault(Side::Server, Hook::Input, &[&lost]),
        pair.fault(Side::Client, Hook::Output, &[&first, &second]),
    ];
    connection.send(1000);
    connection.receive(1000);
    connection.ping();
    drop(faults);
    let (from, to) = (connection.from, connection.to);
    connection.close(Side::Client);
    watch.outcome(&[from], to)
}
