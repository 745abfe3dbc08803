//! Any bytes as a capture file: pcap and pcapng, plain and packed.
//!
//! A file that can be read is written again and read once more: what comes out is what went in.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::Cursor;
use std::rc::Rc;

use netdiag::capture::{
    Captured, Destination, InterfaceKey, Item, Origin, Outgoing, Reader, Short, Sink, Writer,
};
use netdiag::decode::{decode, packet};

use super::invariants;

/// More than this of one input shows nothing new, and a packed one may hold very much.
const MOST: u64 = 1 << 16;

/// Reads a file to its end, or to where it is damaged.
pub(crate) fn check(data: &[u8]) {
    let Ok(mut reader) = Reader::new(Cursor::new(data.to_vec())) else {
        return;
    };
    let copy = Copy::default();
    let destination = Destination::Stream(Box::new(copy.clone()), "memory".to_owned());
    let mut writer = Writer::new(destination, Origin::default(), u32::MAX);
    writer.section(None).expect("memory takes all");
    let mut kept = 0;
    while reader.packets() < MOST
        && let Some(item) = reader.next()
    {
        match item {
            Ok(Item::Packet(captured)) => {
                hold(&captured);
                kept += keep(&mut writer, &captured);
            }
            Ok(Item::Start(run)) => assert!(!run.comments().is_empty()),
            Ok(Item::End(end)) => assert!(!end.comments().is_empty()),
            Err(error) => {
                assert!(error.to_string().starts_with("at byte "));
                assert!(reader.next().is_none(), "an error is the end");
                break;
            }
        }
    }
    writer.end_section(None).expect("memory takes all");
    writer.close().expect("memory takes all");
    let written = copy.0.borrow().clone();
    let mut reader = Reader::new(Cursor::new(written)).expect("what netdiag writes");
    while let Some(item) = reader.next() {
        item.expect("what netdiag writes");
    }
    assert_eq!(reader.packets(), kept);
}

fn hold(captured: &Captured<'_>) {
    let frame = captured.frame();
    assert!(frame.len >= frame.bytes.len());
    invariants::hold(&decode(&frame));
    if let Some(note) = captured.retrans_note() {
        let lines = note.comments();
        assert!(lines.iter().all(|line| !line.contains('\n')));
        let lines: Vec<Cow<'_, str>> = lines.into_iter().map(Cow::Owned).collect();
        if lines.iter().all(|line| line.len() <= 1024) {
            let again = netdiag::capture::note::RetransNote::parse(&lines);
            assert_eq!(again.as_ref(), Some(&note), "a note is what its lines say");
        }
    }
    if let Some(note) = captured.drop_note() {
        // As `read` makes a frame of it.
        let frame = netdiag::decode::Frame {
            bytes: captured.data,
            link: note.link,
            network_offset: note.network_offset,
            len: captured.len.max(captured.data.len()),
            ethertype: note.ethertype,
        };
        let _ = packet(&frame, note.vlan, note.unread).to_string();
        let lines = note.comments();
        assert!(lines.iter().all(|line| !line.contains('\n')));
        let lines: Vec<Cow<'_, str>> = lines.into_iter().map(Cow::Owned).collect();
        // A line that its escapes have made too long is nobody's.
        if lines.iter().any(|line| line.len() > 16_384) {
            return;
        }
        let again = netdiag::capture::note::DropNote::parse(&lines);
        assert_eq!(again.as_ref(), Some(&note), "a note is what its lines say");
    }
}

/// Writes a packet; blocks above a reader's limits are not for it.
fn keep(writer: &mut Writer, captured: &Captured<'_>) -> u64 {
    let comments: usize = captured.comments.iter().map(|text| text.len() + 8).sum();
    if comments > 1 << 19 || captured.data.len() > 1 << 20 {
        return 0;
    }
    let interface = InterfaceKey {
        name: captured.interface.name.clone(),
        link_type: captured.interface.link_type,
        ..InterfaceKey::default()
    };
    let outgoing = Outgoing {
        time_ns: captured.time_ns,
        interface: &interface,
        data: captured.data,
        len: captured.len,
        received: captured.received,
        comments: &captured.comments,
    };
    writer.packet(&outgoing).expect("memory takes all");
    1
}

/// What was written, shared with whoever looks at it.
#[derive(Clone, Default)]
struct Copy(Rc<RefCell<Vec<u8>>>);

impl Sink for Copy {
    fn write(&mut self, blocks: &[u8]) -> Result<(), Short> {
        self.0.borrow_mut().extend_from_slice(blocks);
        Ok(())
    }

    fn close(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
