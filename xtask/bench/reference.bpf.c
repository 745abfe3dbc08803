// SPDX-License-Identifier: GPL-2.0 OR MIT
//
// The least that a drop monitor has to do for an event, as the yardstick of `cargo xtask bench`: count it, and copy
// its first 128 bytes into a ring buffer without waking anybody. Linux 5.17 or newer: before, the tracepoint has no
// reason.
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define COPIED 128

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct drop {
	__u64 time_ns;
	__u64 location;
	__u32 reason;
	__u32 length;
	__u32 ifindex;
	__u32 cpu;
	__u16 protocol;
	__u16 mac_header;
	__u16 network_header;
	__u16 transport_header;
	__u32 copied;
	__u32 padding;
	__u8 bytes[COPIED];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 << 20);
} ring SEC(".maps");

enum { SEEN, RING_FULL, COUNTERS };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void count(__u32 which)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &which);

	if (value)
		*value += 1;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(reference_copy, struct sk_buff *skb, void *location, enum skb_drop_reason reason)
{
	struct net_device *device = skb->dev;
	__u32 start = skb->network_header;
	__u64 there = skb->tail > start ? skb->tail - start : 0;
	struct drop *drop;

	count(SEEN);
	drop = bpf_ringbuf_reserve(&ring, sizeof(*drop), 0);
	if (!drop) {
		count(RING_FULL);
		return 0;
	}
	drop->time_ns = bpf_ktime_get_ns();
	drop->location = (__u64)location;
	drop->reason = reason;
	drop->length = skb->len;
	drop->ifindex = device ? device->ifindex : 0;
	drop->cpu = bpf_get_smp_processor_id();
	drop->protocol = skb->protocol;
	drop->mac_header = skb->mac_header;
	drop->network_header = start;
	drop->transport_header = skb->transport_header;
	drop->padding = 0;
	if (there > COPIED)
		there = COPIED;
	drop->copied = there;
	if (there) {
		/* Changes nothing: it shows the verifier the bounds, which the compiler must not know. */
		barrier_var(there);
		there = ((there - 1) & (COPIED - 1)) + 1;
		bpf_probe_read_kernel(drop->bytes, there, skb->head + start);
	}
	bpf_ringbuf_submit(drop, BPF_RB_NO_WAKEUP);
	return 0;
}
