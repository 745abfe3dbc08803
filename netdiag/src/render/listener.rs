//! Listening sockets and their accept queues.

use super::{
    Output,
    text::{self, cell},
};
use comfy_table::CellAlignment;
use serde::Serialize;
use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

/// A listening socket.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its namespace.
    pub netns: u32,
    /// What to call that.
    pub namespace: String,
    /// The process that holds it: id and name.
    pub owner: Option<(u32, String)>,
    /// Where it listens; unspecified on all addresses.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// How many connections wait to be accepted.
    pub used: u32,
    /// How many may.
    pub limit: Option<u32>,
    /// Packets dropped because of it, since it listens or during the time that was waited.
    pub drops: Option<u32>,
    /// Its user.
    pub uid: u32,
}

#[derive(Serialize)]
struct ListenerLine<'a> {
    kind: &'static str,
    netns: u32,
    src: IpAddr,
    sport: u16,
    used: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drops: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comm: Option<&'a str>,
    uid: u32,
}

/// Prints a table, or JSON lines.
///
/// # Errors
/// Standard output's.
pub fn show(
    output: &Output,
    json: bool,
    waited: Option<Duration>,
    listeners: &[Listener],
) -> io::Result<()> {
    if json {
        for listener in listeners {
            output.json(&ListenerLine {
                kind: "listener",
                netns: listener.netns,
                src: listener.address,
                sport: listener.port,
                used: listener.used,
                limit: listener.limit,
                drops: listener.drops,
                pid: listener.owner.as_ref().map(|(pid, _)| *pid),
                comm: listener.owner.as_ref().map(|(_, comm)| comm.as_str()),
                uid: listener.uid,
            })?;
        }
        return output.flush();
    }
    if listeners.is_empty() {
        output.line("Nothing listens that you asked for.")?;
        return output.flush();
    }
    let mut table = text::table(output);
    let dropped = match waited {
        Some(time) => format!("DROPS IN {:.1} S", time.as_secs_f64()),
        None => "DROPS".to_owned(),
    };
    table.set_header([
        "USED",
        "LIMIT",
        &dropped,
        "LISTENS ON",
        "PROCESS",
        "NAMESPACE",
        "",
    ]);
    for listener in listeners {
        let number = |value: Option<u32>| value.map_or_else(|| "-".to_owned(), |v| v.to_string());
        // `sk_acceptq_is_full`: one more than the limit may wait.
        let full = listener.limit.is_some_and(|limit| listener.used > limit);
        table.add_row([
            cell(listener.used.to_string()),
            cell(number(listener.limit)),
            cell(number(listener.drops)),
            cell(SocketAddr::new(listener.address, listener.port).to_string()),
            cell(match &listener.owner {
                Some((pid, comm)) => format!("{comm}[{pid}]"),
                None => "-".to_owned(),
            }),
            cell(&listener.namespace),
            cell(if full { "full" } else { "" }),
        ]);
    }
    for index in 0..3 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    output.line(&text::lines(&table))?;
    output.flush()
}
