//! Bytes to typed values: total on any input, no I/O, no panic.
//!
//! A [`Frame`] is what was captured and how it claims to start; [`decode`] says what it is, and where it is not what it
//! should be, how it is wrong and what it probably is instead. Records of the ring buffer and the kernel's counter
//! files are read here too.

mod conn;
mod counters;
mod device;
mod disguise;
mod errno;
mod frame;
mod ip;
mod link;
mod made;
mod malformed;
mod packet;
mod record;
mod retrans;
mod socket;
mod summary;
mod transport;
mod tunnel;
mod upper;
mod view;

#[cfg(test)]
mod tests;

pub use conn::{Bytes, Caller, ConnHit, ConnWhat, Flow, conn_record};
pub use counters::{SoftnetRow, snmp, snmp6, softnet};
pub use device::{device_type_name, is_layer3};
pub use disguise::{Disguise, DisguiseKind};
pub use errno::{result_name, result_number};
pub use frame::{Frame, Link};
pub use ip::{Fragment, IpHeader, IpProto};
pub use link::{Arp, EthernetHeader, MacAddr, Vlans};
pub use made::ip_header;
pub use malformed::{Malformation, MalformedKind};
pub use packet::{Packet, Protocol, decode, packet, unseen};
pub use record::{DropEvent, HeaderCheck, RecordError, drop_record};
pub use retrans::{CaState, Retrans, RetransContext, RetransKind, record_kind, retrans_record};
pub use socket::{Socket, TcpState};
pub use transport::{Echo, TcpFlags, Transport, tcp_payload};
pub use tunnel::Tunnel;
pub use upper::{Checksum, Upper};
