//! Where a run or a file goes: to the user's eyes, and into a dump where there is one.
//!
//! One of the two may fail, and the other must still be brought to its end. So nothing here fails before
//! [`Sinks::finish`]; [`Sinks::broken`] says that there is no reason to go on.

use crate::{
    analysis::{event::Event, retrans::RetransEvent},
    capture::{DumpError, note::EndNote},
    kernel::stop::Stop,
    render::{Diagnostics, Dump, Output, Progress, Report, Start, View, conn::Shown},
};
use std::io;

/// The view, and the dump.
pub(super) struct Sinks {
    view: Box<dyn View>,
    dump: Option<Dump>,
    stop: Stop,
    view_failed: Option<io::Error>,
    dump_failed: Option<DumpError>,
}

impl Sinks {
    /// `output` is what the view writes to.
    pub(super) fn new(
        view: Box<dyn View>,
        output: &Output,
        dump: Option<Dump>,
        stop: Stop,
    ) -> Self {
        // A reader that does not read must not keep a run from ending.
        let guard = stop.clone();
        output.guard(move |file| guard.wait_writable(file));
        Self {
            view,
            dump,
            stop,
            view_failed: None,
            dump_failed: None,
        }
    }

    /// Whether the dump will have to make more files.
    pub(super) fn rotates(&self) -> bool {
        self.dump.as_ref().is_some_and(Dump::rotates)
    }

    /// Whether the user wants to stop.
    pub(super) fn stopped(&self) -> bool {
        self.stop.is_set()
    }

    /// Whether one of the two has failed: then there is no reason to go on.
    pub(super) fn broken(&self) -> bool {
        self.dump_failed.is_some() || self.view_failed.is_some()
    }

    fn dumped(&mut self, write: impl FnOnce(&mut Dump) -> Result<(), DumpError>) {
        if let Some(dump) = &mut self.dump
            && let Err(error) = write(dump)
        {
            self.dump_failed = Some(error);
            self.dump = None;
        }
    }

    /// Shows something, unless that has failed before.
    pub(super) fn show(&mut self, show: impl FnOnce(&mut dyn View) -> io::Result<()>) {
        if self.view_failed.is_none()
            && let Err(error) = show(&mut *self.view)
        {
            self.view_failed = Some(error);
        }
    }

    pub(super) fn start(&mut self, start: &Start) {
        self.dumped(|dump| dump.start(start));
        self.show(|view| view.start(start));
    }

    pub(super) fn waiting(&mut self) {
        self.show(|view| view.waiting());
    }

    pub(super) fn event(&mut self, event: &Event<'_>, finding: Option<&'static str>) {
        self.dumped(|dump| dump.event(event, finding));
        self.show(|view| view.event(event, finding));
    }

    pub(super) fn conn(&mut self, shown: &Shown<'_>) {
        self.show(|view| view.conn(shown));
    }

    pub(super) fn retrans(&mut self, event: &RetransEvent<'_>) {
        self.dumped(|dump| dump.retrans(event));
        self.show(|view| view.retrans(event));
    }

    pub(super) fn progress(&mut self, progress: &Progress) {
        self.dumped(Dump::flush);
        self.show(|view| view.progress(progress));
    }

    pub(super) fn run_end(&mut self, end: &EndNote) {
        self.dumped(|dump| dump.run_end(end));
    }

    pub(super) fn end(&mut self, report: &Report) {
        self.dumped(|dump| dump.end(report));
        self.show(|view| view.end(report));
    }

    /// What became of the two.
    ///
    /// # Errors
    /// Why one of them could not be brought to its end.
    pub(super) fn finish(self, diagnostics: &Diagnostics) -> anyhow::Result<()> {
        if let Some(error) = self.dump_failed {
            return Err(error.into());
        }
        if let Some(dump) = &self.dump {
            diagnostics.note(&dump.saved().to_string());
            match dump.unaddressed() {
                0 => {}
                count => diagnostics.warn(&format!(
                    "{count} retransmissions have no addresses, because the hook shows none: they were not saved"
                )),
            }
            match dump.uncooked() {
                0 => {}
                count => diagnostics.warn(&format!(
                    "{count} packets are of a link type that has no cooked form: they were left as they are"
                )),
            }
        }
        match self.view_failed {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}
