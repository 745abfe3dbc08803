//! What the kernel says of itself when it is asked: of the calling thread's network namespace, by netlink and `/proc`.
//!
//! As in [`device`](super::device), attributes are read from their bytes: one that a newer kernel sends must cost that
//! attribute, never the answer. What is longer than a reader wants is cut.
//!
//! The questions about firewall rules and IPsec policies load no module into the kernel: where nobody speaks the protocol,
//! there is nothing to ask about. Those about listeners load the modules of `ss` (`inet_diag`).

pub mod attached;
pub mod link;
pub mod neighbour;
mod netlink;
pub mod nft;
pub mod offload;
pub mod program;
pub mod route;
pub mod sysctl;
pub mod tc;
pub mod xfrm;
