//! temp
use netdiag::kernel::session::{self, *};
fn main() {
    let t = std::time::Instant::now();
    let btf = session::choose_btf(None).unwrap();
    println!("btf {:?}", t.elapsed());
    if std::env::args().nth(1).as_deref() == Some("survey") {
    for (_, reports) in session::survey(btf.as_ref()).unwrap() {
        for r in reports { println!("{} {} {}", r.probe, r.hook, r.state);
          if let netdiag::kernel::rung::RungState::Refused(f) = &r.state { println!("   {}", f.message); } }
    }
    println!("survey {:?}", t.elapsed());
    return; }
    let mut s = Session::open(&Config { netns: None, ifname: None, reasons: vec![], snaplen: 256, ring_bytes: 1<<24, header_check: true }, btf.as_ref()).unwrap();
    println!("open {:?}", t.elapsed());
    drop(btf);
    s.open_gate();
    for r in s.reports() { println!("{} {} {}", r.probe, r.hook, r.state); }
    let st = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{:?} {:?}", t.elapsed(), st.lines().filter(|l| l.starts_with("VmRSS")||l.starts_with("VmHWM")).collect::<Vec<_>>());
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"hello", "127.0.0.1:9").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let mut ring = s.take_ring().unwrap();
    let mut sym = netdiag::kernel::symbol::Symbols::default();
    ring.drain(100, |r| { let loc = u64::from_ne_bytes(r[8..16].try_into().unwrap()); let reason = u32::from_ne_bytes(r[36..40].try_into().unwrap()); println!("{} {} {:?} {:02x?}", r.len(), sym.place(loc), s.reasons().name(reason), r); });
    s.detach();
    println!("{:?} missed {}", s.totals(), s.missed());
}
