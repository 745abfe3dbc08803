//! How many IPsec policies there are.

use super::netlink::{attribute, get, is_spoken, u32_of};
use std::io;

/// The number of policies of a namespace, by what they are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// Packets for this host.
    pub input: u32,
    /// Packets of this host.
    pub output: u32,
    /// Packets to forward.
    pub forward: u32,
}

/// `NETLINK_XFRM` of linux/netlink.h.
const NETLINK_XFRM: isize = 6;
// Of linux/xfrm.h.
const XFRM_MSG_GETSPDINFO: u16 = 0x25;
const XFRMA_SPD_INFO: u16 = 1;
/// The request has flags, and so has the answer.
const FLAGS: usize = 4;

/// Those of this namespace, without those of sockets (`IP_XFRM_POLICY`).
///
/// # Errors
/// What the kernel answered: this needs `CAP_NET_ADMIN`.
pub fn policies() -> io::Result<Policies> {
    if !is_spoken(NETLINK_XFRM) {
        return Ok(Policies::default());
    }
    let answer = get(NETLINK_XFRM, XFRM_MSG_GETSPDINFO, &[0; FLAGS])?;
    let (_, payload) = answer.ok_or(io::ErrorKind::UnexpectedEof)?;
    parse(&payload).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// `struct xfrmu_spdinfo`: the numbers of policies in, out and forward come first.
fn parse(payload: &[u8]) -> Option<Policies> {
    let info = attribute(payload.get(FLAGS..)?, XFRMA_SPD_INFO)?;
    let number = |at: usize| info.get(at * 4..).and_then(u32_of);
    Some(Policies {
        input: number(0)?,
        output: number(1)?,
        forward: number(2)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::fact::netlink::push;

    #[test]
    fn the_numbers_are_told_and_every_prefix_is_survived() {
        let mut bytes = vec![0; FLAGS];
        let numbers = [3u32, 2, 1, 0, 0, 0].map(u32::to_ne_bytes);
        push(&mut bytes, XFRMA_SPD_INFO, numbers.as_flattened());
        let expected = Policies {
            input: 3,
            output: 2,
            forward: 1,
        };
        assert_eq!(parse(&bytes), Some(expected));
        for end in 0..bytes.len() {
            assert_eq!(parse(bytes.get(..end).expect("prefix")), None);
        }
        let _refused_without_privilege = policies();
    }
}
