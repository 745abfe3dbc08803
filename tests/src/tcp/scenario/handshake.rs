//! Handshakes that take two attempts.

use super::syn;
use crate::tcp::{Connection, Hook, ONCE, Outcome, PORT, Pair, Side, Watch};

/// The first SYN is lost on its way; the second, a second later, is not, and the connection is closed in order.
///
/// The client's `TcpRetransSegs` and `TcpExtTCPSynRetrans` grow by 1.
#[must_use]
pub fn syn_lost(pair: &Pair) -> Outcome {
    let rule = format!("{} {ONCE} drop", syn());
    after(pair, Side::Server, &[&rule])
}

/// The first SYN-ACK is lost on its way, and every further SYN: the server sends its answer again by itself, a second
/// later, and the connection is closed in order.
///
/// The server's `TcpRetransSegs` and `TcpExtTCPSynRetrans` grow by 1. The client may have sent its SYN again at the
/// same moment, or not: its counters tell.
#[must_use]
pub fn syn_ack_lost(pair: &Pair) -> Outcome {
    let answers = format!("tcp sport {PORT} tcp flags & (syn | ack) == (syn | ack) {ONCE} drop");
    let first = format!("{} {ONCE} accept", syn());
    let further = format!("{} drop", syn());
    let _one_syn = pair.fault(Side::Server, Hook::Input, &[&first, &further]);
    after(pair, Side::Client, &[&answers])
}

/// Connects through a fault, and closes.
fn after(pair: &Pair, side: Side, rules: &[&str]) -> Outcome {
    let watch = Watch::new(pair);
    let fault = pair.fault(side, Hook::Input, rules);
    let mut connection = Connection::open(pair);
    drop(fault);
    connection.ping();
    let (from, to) = (connection.from, connection.to);
    connection.close(Side::Client);
    watch.outcome(&[from], to)
}
