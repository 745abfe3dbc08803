//! What the user asked for, decided before anything is reserved or copied.

use crate::{
    field::{DEV_NAME, DEV_NET, NET_INUM, SKB_DEV},
    memory::{Memory, Probed, pointer},
};
use aya_ebpf::Global;
use netdiag_common::MAX_REASON_FILTERS;

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

/// The name of a device.
#[inline(always)]
pub unsafe fn device_name(dev: *const u8) -> IfName {
    // SAFETY: `Probed` reads any address. An array of bytes is no typed load of eight.
    unsafe { Probed::read::<IfName>(dev, DEV_NAME.load()) }
}

/// The namespace of a device.
#[inline(always)]
pub unsafe fn device_netns<M: Memory>(dev: *const u8) -> u32 {
    // SAFETY: as `Memory::read`; a namespace outlives its devices.
    unsafe {
        match pointer::<M>(dev, DEV_NET.load()) {
            Some(net) => M::read::<u32>(net, NET_INUM.load()),
            None => 0,
        }
    }
}

/// Whether the user wants packets of this device and namespace.
#[inline(always)]
pub fn admits_place(netns: u32, name: &IfName) -> bool {
    let wanted = FILTER_NETNS.load();
    if wanted != 0 && wanted != netns {
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
        let Some(dev) = pointer::<M>(skb, SKB_DEV.load()) else { return false };
        let name = if by_name { device_name(dev) } else { [0; 2] };
        admits_place(device_netns::<M>(dev), &name)
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
