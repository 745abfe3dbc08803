//! The one table of kernel struct fields that the eBPF programs read.
//!
//! rustc emits no CO-RE relocations, so user space looks every field up in the running kernel's BTF and sets its byte
//! offset as a read-only global before loading: [`kernel_fields!`](crate::kernel_fields) expands here to the table
//! that it walks, and in `netdiag-ebpf` to the globals.

/// The offset of a field that the running kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// A field of a kernel struct, and the global that carries its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name of the read-only global in the eBPF object.
    pub symbol: &'static str,
    /// The struct, without `struct`.
    pub structure: &'static str,
    /// Path of members from there, through anonymous structs and unions as C sees them.
    pub path: &'static str,
    /// Whether netdiag can do without it.
    pub need: Need,
}

/// What it means when a kernel lacks a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The programs cannot work: loading ends with an error that names the field.
    Required,
    /// The code behind it stays dead and one detail is missing.
    Optional,
}

/// Hands the table to a macro: `SYMBOL: "struct" "path" Need;` per field.
#[macro_export]
macro_rules! kernel_fields {
    ($callback:path) => {
        $callback! {
            SKB_LEN: "sk_buff" "len" Required;
            SKB_HEAD: "sk_buff" "head" Required;
            SKB_DATA: "sk_buff" "data" Required;
            SKB_TAIL: "sk_buff" "tail" Required;
            SKB_NETWORK_HEADER: "sk_buff" "network_header" Required;
            SKB_MAC_HEADER: "sk_buff" "mac_header" Required;
            SKB_PROTOCOL: "sk_buff" "protocol" Required;
            SKB_DEV: "sk_buff" "dev" Required;
            SKB_SK: "sk_buff" "sk" Required;
            SKB_IIF: "sk_buff" "skb_iif" Required;
            SKB_DST: "sk_buff" "_skb_refdst" Optional;
            // Zero-sized marks before the bit fields `pkt_type` and (until 6.2) `vlan_present`.
            SKB_PKT_TYPE: "sk_buff" "__pkt_type_offset" Optional;
            SKB_VLAN_PRESENT: "sk_buff" "__pkt_vlan_present_offset" Optional;
            // Since 6.3 tag and protocol, seen as one number, are zero without a tag.
            SKB_VLAN_ALL: "sk_buff" "vlan_all" Optional;
            SKB_VLAN_TCI: "sk_buff" "vlan_tci" Required;
            DEV_NAME: "net_device" "name" Required;
            DEV_IFINDEX: "net_device" "ifindex" Required;
            DEV_TYPE: "net_device" "type" Required;
            DEV_NET: "net_device" "nd_net.net" Required;
            NET_INUM: "net" "ns.inum" Required;
            SK_NET: "sock" "__sk_common.skc_net.net" Required;
            SK_STATE: "sock" "__sk_common.skc_state" Required;
            SK_FAMILY: "sock" "__sk_common.skc_family" Required;
            SK_NUM: "sock" "__sk_common.skc_num" Required;
            SK_DPORT: "sock" "__sk_common.skc_dport" Required;
            SK_LOCAL: "sock" "__sk_common.skc_rcv_saddr" Required;
            SK_REMOTE: "sock" "__sk_common.skc_daddr" Required;
            SK_V6_LOCAL: "sock" "__sk_common.skc_v6_rcv_saddr" Optional;
            SK_V6_REMOTE: "sock" "__sk_common.skc_v6_daddr" Optional;
            SK_DST: "sock" "sk_dst_cache" Optional;
            DST_DEV: "dst_entry" "dev" Optional;
            SK_UID: "sock" "sk_uid" Optional;
            SK_SOCKET: "sock" "sk_socket" Optional;
            SK_CGROUP: "sock" "sk_cgrp_data.cgroup" Optional;
            // Until 5.14 the same place was a tagged value (`struct sock_cgroup_data`, commit 8520e224f547).
            SK_CGROUP_TAGGED: "sock" "sk_cgrp_data.val" Optional;
            CGROUP_KN: "cgroup" "kn" Optional;
            KERNFS_ID: "kernfs_node" "id" Optional;
            SOCKET_FILE: "socket" "file" Optional;
            FILE_INODE: "file" "f_inode" Optional;
            INODE_INO: "inode" "i_ino" Optional;
            SKB_CB: "sk_buff" "cb" Optional;
            CB_SEQ: "tcp_skb_cb" "seq" Optional;
            CB_END_SEQ: "tcp_skb_cb" "end_seq" Optional;
            CB_TCP_FLAGS: "tcp_skb_cb" "tcp_flags" Optional;
            CB_GSO_SEGS: "tcp_skb_cb" "tcp_gso_segs" Optional;
            ICSK_RTO: "inet_connection_sock" "icsk_rto" Optional;
            // A bit field that starts its byte.
            ICSK_CA_STATE: "inet_connection_sock" "icsk_ca_state" Optional;
            ICSK_RETRANSMITS: "inet_connection_sock" "icsk_retransmits" Optional;
            ICSK_PENDING: "inet_connection_sock" "icsk_pending" Optional;
            TCP_RCV_NXT: "tcp_sock" "rcv_nxt" Optional;
            TCP_SND_UNA: "tcp_sock" "snd_una" Optional;
            TCP_SRTT: "tcp_sock" "srtt_us" Optional;
            TCP_SND_CWND: "tcp_sock" "snd_cwnd" Optional;
            TCP_SND_SSTHRESH: "tcp_sock" "snd_ssthresh" Optional;
            TCP_PACKETS_OUT: "tcp_sock" "packets_out" Optional;
            TCP_SACKED_OUT: "tcp_sock" "sacked_out" Optional;
            TCP_LOST_OUT: "tcp_sock" "lost_out" Optional;
            TCP_RETRANS_OUT: "tcp_sock" "retrans_out" Optional;
            TCP_SND_WND: "tcp_sock" "snd_wnd" Optional;
            TCP_RCV_WND: "tcp_sock" "rcv_wnd" Optional;
            TCP_MSS_CACHE: "tcp_sock" "mss_cache" Optional;
            TCP_TOTAL_RETRANS: "tcp_sock" "total_retrans" Optional;
            TCP_SEGS_OUT: "tcp_sock" "segs_out" Optional;
            TCP_DATA_SEGS_OUT: "tcp_sock" "data_segs_out" Optional;
            TCP_DSACK_DUPS: "tcp_sock" "dsack_dups" Optional;
            REQ_NUM_RETRANS: "request_sock" "num_retrans" Optional;
            REQ_SNT_ISN: "tcp_request_sock" "snt_isn" Optional;
            REQ_RCV_ISN: "tcp_request_sock" "rcv_isn" Optional;
            SK_PROTOCOL: "sock" "sk_protocol" Optional;
            SK_ERR: "sock" "sk_err" Optional;
            SK_ERR_SOFT: "sock" "sk_err_soft" Optional;
            SK_FLAGS: "sock" "__sk_common.skc_flags" Optional;
            SK_ACK_BACKLOG: "sock" "sk_ack_backlog" Optional;
            SK_MAX_ACK_BACKLOG: "sock" "sk_max_ack_backlog" Optional;
            // What is left of the port when a closed socket has given it back.
            INET_SPORT: "inet_sock" "inet_sport" Optional;
            TCP_BYTES_SENT: "tcp_sock" "bytes_sent" Optional;
            TCP_BYTES_RETRANS: "tcp_sock" "bytes_retrans" Optional;
            TCP_BYTES_RECEIVED: "tcp_sock" "bytes_received" Optional;
            // The way from a descriptor of the current task to its socket.
            TASK_FILES: "task_struct" "files" Optional;
            FILES_FDT: "files_struct" "fdt" Optional;
            FDT_FD: "fdtable" "fd" Optional;
            FDT_MAX: "fdtable" "max_fds" Optional;
            FILE_PRIVATE: "file" "private_data" Optional;
            INODE_MODE: "inode" "i_mode" Optional;
            SOCKET_SK: "socket" "sk" Optional;
            SOCKET_STATE: "socket" "state" Optional;
            // Registers of a kprobe: arguments and return value, by the names of x86-64 and of aarch64.
            REGS_X86_ARG1: "pt_regs" "di" Optional;
            REGS_X86_ARG2: "pt_regs" "si" Optional;
            REGS_X86_ARG3: "pt_regs" "dx" Optional;
            REGS_X86_RET: "pt_regs" "ax" Optional;
            REGS_ARM64: "pt_regs" "regs" Optional;
        }
    };
}

macro_rules! table {
    ($($symbol:ident: $structure:literal $path:literal $need:ident;)*) => {
        /// Every field, in the order of the table above.
        pub const FIELDS: &[Field] = &[$(Field {
            symbol: stringify!($symbol),
            structure: $structure,
            path: $path,
            need: Need::$need,
        }),*];
    };
}

kernel_fields!(table);
