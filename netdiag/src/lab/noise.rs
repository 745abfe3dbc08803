//! Traffic that is reported, or looks like a fault, and that nothing is wrong with.

use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::io::{self, Read, Write};
use std::num::NonZero;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, Protocol, SocketType, socket};

use super::l3::{self, CLOSED_PORT, DEVICE, DEVICE_IP, Ip, PACKETS, REMOTE_IP, REMOTE_IP6, scenario};
use super::nft::{self, Hook, Match, Verdict};
use super::pair::{HERE, PATIENCE, Pair, THERE};
use super::program::{CGROUP, cgroup};
use super::traffic::{self, udp_exchange};
use super::udp::OPEN_PORT;
use super::{
    Bench, Expectation, LabError, Layer, Namespace, PacketInfo, Scenario, Tun, bpf, frame, l2, link,
    sockopt,
};

/// More than one segment, one window and one buffer hold.
const LARGE: usize = 1 << 20;
/// More than one link carries at once.
const IN_FRAGMENTS: usize = 4000;

pub(super) const SCENARIOS: &[Scenario] = &[
    healthy(
        "healthy-tcp-closes",
        "TCP connections end in every usual way",
        "The client closes first, the server closes first, or one of them has said all it has to say and still listens \
         (half-closed), over IPv4 and IPv6.",
        || {
            let Pair { here, there } = Pair::new()?;
            Ok(Bench::new(here, move |here, interval| closes(here, &there, interval)))
        },
    ),
    scenario(
        "healthy-cgroup-program",
        "TCP connections end, and some service has a BPF program that looks at its packets",
        "As healthy-tcp-closes, on a host where systemd or a container runtime has attached a program to the cgroup of \
         another service: it has nothing to do with these connections, and lets everything pass.",
        Expectation::HEALTHY.needs(&CGROUP),
        || {
            let Pair { here, there } = Pair::new()?;
            let cgroup = cgroup(false, bpf::EVERYTHING)?;
            let bench = Bench::new(here, move |here, interval| closes(here, &there, interval));
            Ok(bench.keeping(Arc::new(cgroup)))
        },
    ),
    healthy(
        "healthy-fragments",
        "Large datagrams arrive in fragments and are put together",
        "Datagrams of 4000 bytes are sent over a link that carries 1500, and are answered: fragments are no fault.",
        || {
            let Pair { here, there } = Pair::new()?;
            Ok(Bench::new(here, move |here, _| fragmented(here, &there)))
        },
    ),
    healthy(
        "healthy-ping",
        "Pings arrive and are answered",
        "Somebody pings this host over IPv4 and IPv6 to see whether it is there.",
        || {
            let (namespace, tun) = l3::device(true)?;
            let mut packets = l3::repeat(frame::ETHERTYPE_IPV4, l3::echo);
            packets.extend(l3::repeat(frame::ETHERTYPE_IPV6, l3::echo6));
            Ok(Bench::writing(namespace, tun, packets))
        },
    ),
    healthy(
        "healthy-multicast",
        "Multicast arrives that nobody here wants",
        "Other machines announce their services to everybody (mDNS, SSDP). The kernel drops what nobody here asked \
         for, and tells of it as of any drop.",
        multicast,
    ),
    healthy(
        "healthy-lldp",
        "Switches announce themselves by LLDP and STP",
        "Every managed switch sends such frames to its neighbours. Nobody on an ordinary host listens.",
        || l2::arriving(false, lldp_or_stp),
    ),
    healthy(
        "healthy-offload",
        "Packets leave with checksums that the card will fill in",
        "A program sends a megabyte. The kernel hands large packets with unfinished checksums to the device, which \
         finishes them: to who looks on the way they seem wrong.",
        || {
            let Pair { here, there } = Pair::new()?;
            Ok(Bench::new(here, move |here, _| transfer(here, &there)))
        },
    ),
    healthy(
        "healthy-promiscuous",
        "Somebody captures in promiscuous mode what is meant for others",
        "tcpdump makes the device take frames for other machines. They come as far as IP, which drops them.",
        || {
            let (namespace, tap) = l2::device(false)?;
            let capture = namespace.run(|| capture(true))?;
            let frames = l3::repeat(0, |seq| {
                let ping = Ip::V4.ping(Ipv4Addr::new(10, 99, 0, 77).into(), seq, 56, 64);
                l2::frame([2, 0x42, 0x0a, 0x63, 0, 0x99], frame::ETHERTYPE_IPV4, &ping)
            });
            Ok(Bench::writing(namespace, tap, frames).keeping(capture))
        },
    ),
    healthy(
        "healthy-packet-socket",
        "A capture ends with packets that nobody read",
        "A program captured packets, did not come round to reading them all, and ends: the kernel frees its copies. \
         The packets themselves were delivered.",
        || {
            let (namespace, tun) = l3::device(false)?;
            Ok(Bench::new(namespace, move |namespace, _| captured(namespace, &tun)))
        },
    ),
    healthy(
        "healthy-nft",
        "The firewall's rules are changed",
        "Somebody loads rules that let everything pass. Old kernels free the messages as if they dropped packets.",
        || {
            let (namespace, tun) = l3::device(false)?;
            namespace.run(|| nft::add(Hook::Input, Match::All, Verdict::Accept))?;
            Ok(Bench::new(namespace, move |namespace, _| rules(namespace, &tun)))
        },
    ),
    healthy(
        "healthy-ipv6-start",
        "IPv6 starts on a link",
        "A device comes up: it looks for duplicates of its address, reports its multicast groups and asks for \
         routers, and so does its neighbour. Much of it is for nobody in particular.",
        || Ok(Bench::new(Namespace::new()?, |namespace, _| starting(namespace))),
    ),
    healthy(
        "healthy-teardown",
        "Devices and namespaces go away with packets in their queues",
        "A container ends, a VPN disconnects: whatever was in their queues goes with them.",
        || Ok(Bench::new(Namespace::new()?, |namespace, _| going(namespace))),
    ),
];

const fn healthy(
    name: &'static str,
    summary: &'static str,
    story: &'static str,
    build: fn() -> Result<Bench, LabError>,
) -> Scenario {
    scenario(name, summary, story, Expectation::HEALTHY, build)
}

fn failed(operation: &'static str) -> impl FnOnce(io::Error) -> LabError {
    move |source| LabError::Socket {
        operation,
        address: "the other host".to_owned(),
        source,
    }
}

/// Who ends a connection, and how.
#[derive(Clone, Copy)]
enum First {
    Client,
    Server,
    ClientHalf,
}

fn closes(here: &Namespace, there: &Namespace, interval: Duration) -> Result<u64, LabError> {
    let mut count = 0;
    for address in [HERE.ipv4.into(), HERE.ipv6.into()] {
        for first in [First::Client, First::Server, First::ClientHalf] {
            let address = SocketAddr::new(address, OPEN_PORT);
            close(here, there, address, first).map_err(failed("use a TCP connection to"))?;
            count += 1;
            thread::sleep(interval);
        }
    }
    Ok(count)
}

fn close(
    here: &Namespace,
    there: &Namespace,
    address: SocketAddr,
    first: First,
) -> io::Result<()> {
    let (mut server, mut client, _listener) = connection(here, there, address)?;
    let mut rest = Vec::new();
    match first {
        First::Client => {
            drop(client);
            server.read_to_end(&mut rest)?;
        }
        First::Server => {
            drop(server);
            client.read_to_end(&mut rest)?;
        }
        First::ClientHalf => {
            client.shutdown(Shutdown::Write)?;
            server.read_to_end(&mut rest)?;
            server.write_all(b"still there")?;
            drop(server);
            client.read_to_end(&mut rest)?;
        }
    }
    Ok(())
}

/// Both ends of a connection, and who listened.
fn connection(
    here: &Namespace,
    there: &Namespace,
    address: SocketAddr,
) -> io::Result<(TcpStream, TcpStream, TcpListener)> {
    let listener = here.run(move || TcpListener::bind(address))?;
    let client = there.run(move || TcpStream::connect_timeout(&address, PATIENCE))?;
    let (server, _) = listener.accept()?;
    for stream in [&server, &client] {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
    }
    Ok((server, client, listener))
}

fn fragmented(here: &Namespace, there: &Namespace) -> Result<u64, LabError> {
    for address in [HERE.ipv4.into(), HERE.ipv6.into()] {
        let address = SocketAddr::new(address, OPEN_PORT);
        let exchange = || {
            let service = here.run(move || UdpSocket::bind(address))?;
            let client = there.run(move || traffic::udp_socket(address)).map_err(io::Error::other)?;
            service.set_read_timeout(Some(PATIENCE))?;
            client.send_to(&[0; IN_FRAGMENTS], address)?;
            service.recv(&mut [0; IN_FRAGMENTS])
        };
        exchange().map_err(failed("send a large datagram to"))?;
    }
    udp_exchange(here, there, SocketAddr::new(HERE.ipv4.into(), OPEN_PORT), PACKETS, PATIENCE)
}

fn transfer(here: &Namespace, there: &Namespace) -> Result<u64, LabError> {
    for address in [HERE.ipv4.into(), HERE.ipv6.into()] {
        let address = SocketAddr::new(address, OPEN_PORT);
        let exchange = || {
            let (server, mut client, _listener) = connection(here, there, address)?;
            let mut server = server;
            let reader = thread::spawn(move || {
                let mut all = Vec::new();
                client.read_to_end(&mut all).map(|length| (length, client))
            });
            server.write_all(&vec![0; LARGE])?;
            server.shutdown(Shutdown::Write)?;
            reader
                .join()
                .map_err(|_| io::Error::other("the reader panicked"))?
        };
        exchange().map_err(failed("send a megabyte to"))?;
    }
    Ok(2)
}

fn multicast() -> Result<Bench, LabError> {
    /// mDNS and SSDP, and their MAC addresses.
    const MDNS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
    const SSDP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
    const MDNS6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
    let (namespace, tap) = l2::device(true)?;
    let mut frames = Vec::new();
    for seq in 1..=PACKETS {
        for (group, mac, port) in [
            (MDNS, [1, 0, 0x5e, 0, 0, 0xfb], 5353),
            (SSDP, [1, 0, 0x5e, 0x7f, 0xff, 0xfa], 1900),
        ] {
            let datagram = frame::udp4(REMOTE_IP, group, 40_000 + seq, port, b"anybody?");
            let packet = frame::ipv4(frame::PROTO_UDP, REMOTE_IP, group, &datagram, 1);
            frames.push((0, l2::frame(mac, frame::ETHERTYPE_IPV4, &packet)));
        }
        let datagram = frame::udp6(REMOTE_IP6, MDNS6, 40_000 + seq, 5353, b"anybody?");
        let packet = frame::ipv6(frame::PROTO_UDP, REMOTE_IP6, MDNS6, &datagram, 1);
        frames.push((0, l2::frame([0x33, 0x33, 0, 0, 0, 0xfb], frame::ETHERTYPE_IPV6, &packet)));
    }
    Ok(Bench::writing(namespace, tap, frames))
}

/// By turns an LLDP frame, and one of the spanning tree protocol.
fn lldp_or_stp(seq: u16) -> Vec<u8> {
    /// The EtherType of LLDP; STP's frames have their length there.
    const LLDP: u16 = 0x88cc;
    const STP_LENGTH: u16 = 38;
    if seq.is_multiple_of(2) {
        // Chassis, port, time to live, end.
        let units = [
            &[2, 7, 4, 2, 0x42, 0x0a, 0x63, 0, 2][..],
            &[4, 2, 7, b'1'],
            &[6, 2, 0, 120],
            &[0; 29],
        ];
        l2::frame([1, 0x80, 0xc2, 0, 0, 0x0e], LLDP, &units.concat())
    } else {
        // The header of logical link control, and a configuration message.
        let message = [&[0x42, 0x42, 3][..], &[0; 43]].concat();
        l2::frame([1, 0x80, 0xc2, 0, 0, 0], STP_LENGTH, &message)
    }
}

/// A socket that gets a copy of every packet in the calling thread's namespace.
fn capture(promiscuous: bool) -> Result<OwnedFd, LabError> {
    let every = u32::from(3_u16.to_be());
    let protocol = NonZero::new(every).map(Protocol::from_raw);
    let opened = socket(AddressFamily::PACKET, SocketType::RAW, protocol);
    let socket = opened.map_err(|errno| failed("capture what comes from")(errno.into()))?;
    if promiscuous {
        sockopt::promiscuous(socket.as_fd(), link::index(l2::DEVICE, "capture on")?)?;
    }
    Ok(socket)
}

fn captured(namespace: &Namespace, tun: &Tun) -> Result<u64, LabError> {
    /// More than the smallest receive buffer holds.
    const MANY: u16 = 10;
    let capture = namespace.run(|| capture(false))?;
    traffic::shrink_receive_buffer(&capture)?;
    for seq in 1..=MANY {
        tun.write(frame::ETHERTYPE_IPV4, &l3::echo(seq))?;
    }
    drop(capture);
    Ok(u64::from(MANY))
}

fn rules(namespace: &Namespace, tun: &Tun) -> Result<u64, LabError> {
    for seq in 1..=PACKETS {
        namespace.run(|| {
            nft::add(Hook::Input, Match::Udp(CLOSED_PORT), Verdict::Accept)?;
            nft::add(Hook::Ingress(DEVICE), Match::All, Verdict::Accept)
        })?;
        tun.write(frame::ETHERTYPE_IPV4, &l3::echo(seq))?;
    }
    Ok(u64::from(PACKETS))
}

fn starting(here: &Namespace) -> Result<u64, LabError> {
    /// Longer than looking for duplicates takes, and the first router solicitation.
    const A_WHILE: Duration = Duration::from_secs(3);
    let there = Namespace::new()?;
    let other = there.open()?;
    here.run(move || link::create_veth(HERE.device, THERE.device, other.as_fd()))?;
    here.run(|| link::set_up(HERE.device))?;
    there.run(|| link::set_up(THERE.device))?;
    thread::sleep(A_WHILE);
    Ok(1)
}

fn going(here: &Namespace) -> Result<u64, LabError> {
    let there = Namespace::new()?;
    let other = there.open()?;
    here.run(move || link::create_veth(HERE.device, THERE.device, other.as_fd()))?;
    here.run(super::sysctl::disable_ipv6)?;
    let tun = Tun::create(here, DEVICE, Layer::Ip, PacketInfo::Present)?;
    let to = SocketAddr::new(REMOTE_IP.into(), CLOSED_PORT);
    let sent = here.run(move || {
        link::add_address(DEVICE, DEVICE_IP.into(), 24)?;
        link::set_up(DEVICE)?;
        traffic::udp_flood(to.ip(), to.port(), 7, u64::from(PACKETS))
    })?;
    drop(tun);
    drop(there);
    thread::sleep(Duration::from_millis(100));
    Ok(sent)
}
