//! What the user asked for, decided before anything is reserved or copied.

use crate::{
    field::{DEV_IFINDEX, DEV_NAME, DEV_NET, DST_DEV, NET_INUM, SKB_DEV, SKB_DST},
    memory::{Memory, Probed, is_kernel_address, pointer},
};
use aya_ebpf::Global;
use netdiag_common::{MAX_REASON_FILTERS, field::ABSENT};

/// The namespace's inode number; 0 admits all.
#[unsafe(no_mangle)]
static FILTER_NETNS: Global<u32> = Global::new(0);
/// The device name as two machine words; zeros admit all.
#[unsafe(no_mangle)]
static FILTER_IFNAME: Global<[u64; 2]> = Global::new([0; 2]);
/// The drop reasons, as the running kernel numbers them.
#[unsafe(no_mangle)]
static FILTER_REASONS: Global<[u32; MAX_REASON_FILTERS]> = Global::new([0; MAX_REASON_FILTERS]);
/// How many of them count; 0 admits all.
#[unsafe(no_mangle)]
static FILTER_REASON_COUNT: Global<u32> = Global::new(0);

/// A device name, as two machine words.
pub type IfName = [u64; 2];

/// The name of a device. Whole words may be loaded from an array of bytes as long as they end within it
/// (`btf_struct_walk`), which is cheaper than the helper.
#[inline(always)]
pub unsafe fn device_name<M: Memory>(dev: *const u8) -> IfName {
    let at = DEV_NAME.load();
    // SAFETY: as `Memory::read`.
    unsafe { [M::read::<u64>(dev, at), M::read::<u64>(dev, at + 8)] }
}

/// Inode numbers of namespaces start here: 0xf0000000 (`PROC_DYNAMIC_FIRST`), and just below it those that the host
/// booted with (`enum init_ns_ino`, 6.17).
const FIRST_NETNS: u32 = 0xefff_0000;

/// A device that a packet belongs to.
pub struct Device {
    /// Its address.
    pub at: *const u8,
    /// Inode number of its namespace.
    pub netns: u32,
    /// `ifindex`.
    pub ifindex: u32,
}

/// The device of a packet.
///
/// `skb->dev` shares its place with `dev_scratch` (an skb in the receive queue of UDP) and with a node of a tree (TCP's
/// out-of-order queue, fragments, netem): what is there is a device only when it leads to a namespace.
#[inline(always)]
pub unsafe fn device<M: Memory>(skb: *const u8) -> Option<Device> {
    // SAFETY: as `Memory::read`.
    unsafe { device_at::<M>(skb, SKB_DEV.load()) }
}

/// The device that the pointer at `base + offset` leads to, if it does.
#[inline(always)]
pub unsafe fn device_at<M: Memory>(base: *const u8, offset: u32) -> Option<Device> {
    // SAFETY: as `Memory::read`; a namespace outlives its devices.
    unsafe {
        let dev = pointer::<M>(base, offset)?;
        if !is_kernel_address(dev) {
            return None;
        }
        let net = pointer::<M>(dev, DEV_NET.load())?;
        if !is_kernel_address(net) {
            return None;
        }
        let netns = M::read::<u32>(net, NET_INUM.load());
        let ifindex = M::read::<u32>(dev, DEV_IFINDEX.load());
        let plausible = netns >= FIRST_NETNS && ifindex != 0 && ifindex <= i32::MAX as u32;
        if plausible {
            Some(Device {
                at: dev,
                netns,
                ifindex,
            })
        } else {
            None
        }
    }
}

/// `SKB_DST_NOREF` of `linux/skbuff.h`: the packet has no reference of its own.
const DST_NOREF: u64 = 1;

/// The namespace of a packet's route. `tcp_v4_rcv` takes the device off a packet, and until 6.11 (`rx_sk`) nothing else
/// tells whose it is.
///
/// The route shares its place with a node of a list (what TCP may have to send again): what is there is a route only
/// when its device leads to a namespace.
#[inline(always)]
pub unsafe fn netns_of_route<M: Memory>(skb: *const u8) -> Option<u32> {
    if SKB_DST.load() == ABSENT || DST_DEV.load() == ABSENT {
        return None;
    }
    // SAFETY: as `Memory::read`; `Probed` reads any address.
    unsafe {
        let tagged = M::read::<u64>(skb, SKB_DST.load());
        let dst = (tagged & !DST_NOREF) as *const u8;
        if !is_kernel_address(dst) {
            return None;
        }
        let found = device_at::<Probed>(dst, DST_DEV.load())?;
        Some(found.netns)
    }
}

/// Whether the user wants what happens in this namespace.
#[inline(always)]
pub fn admits_netns(netns: u32) -> bool {
    let wanted = FILTER_NETNS.load();
    wanted == 0 || wanted == netns
}

/// Whether the user wants packets of this device and namespace.
#[inline(always)]
pub fn admits_place(netns: u32, name: &IfName) -> bool {
    if !admits_netns(netns) {
        return false;
    }
    let wanted = FILTER_IFNAME.load();
    wanted[0] == 0 || wanted == *name
}

/// Whether the user wants packets of this skb's device; reads no more than the filter needs.
#[inline(always)]
pub unsafe fn admits_skb<M: Memory>(skb: *const u8) -> bool {
    let by_name = FILTER_IFNAME.load()[0] != 0;
    if FILTER_NETNS.load() == 0 && !by_name {
        return true;
    }
    // SAFETY: as `Memory::read`.
    unsafe {
        let Some(dev) = device::<M>(skb) else {
            return false;
        };
        let name = if by_name {
            device_name::<M>(dev.at)
        } else {
            [0; 2]
        };
        admits_place(dev.netns, &name)
    }
}

/// Whether the user wants drops for this reason.
#[inline(always)]
pub fn admits_reason(reason: u32) -> bool {
    let count = FILTER_REASON_COUNT.load();
    if count == 0 {
        return true;
    }
    let wanted = FILTER_REASONS.load();
    let mut index = 0;
    while index < MAX_REASON_FILTERS {
        if (index as u32) < count && wanted[index] == reason {
            return true;
        }
        index += 1;
    }
    false
}
