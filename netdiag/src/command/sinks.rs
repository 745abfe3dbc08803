//! Where a run or a file goes: to the user's eyes, and into a dump where there is one.

use crate::{
    analysis::event::Event,
    capture::DumpError,
    kernel::stop::Stop,
    render::{Diagnostics, Dump, Output, Progress, Report, Start, View},
};
use std::io;

/// The view, and the dump.
pub(super) struct Sinks {
    pub(super) view: Box<dyn View>,
    dump: Option<Dump>,
    /// Why there is no dump any more.
    failed: Option<DumpError>,
    outputs: Vec<Output>,
}

impl Sinks {
    /// `outputs` are the streams that the two write to.
    pub(super) fn new(view: Box<dyn View>, dump: Option<Dump>, outputs: Vec<Output>) -> Self {
        Self {
            view,
            dump,
            failed: None,
            outputs,
        }
    }

    /// A reader that does not read must not keep a run from ending.
    pub(super) fn guard(&self, stop: &Stop) {
        for output in &self.outputs {
            let stop = stop.clone();
            output.guard(move |file| stop.wait_writable(file));
        }
    }

    /// Whether the dump will have to make more files.
    pub(super) fn rotates(&self) -> bool {
        self.dump.as_ref().is_some_and(Dump::rotates)
    }

    /// Whether the dump has failed: then there is no reason to go on.
    pub(super) fn broken(&self) -> bool {
        self.failed.is_some()
    }

    fn dumped(&mut self, write: impl FnOnce(&mut Dump) -> Result<(), DumpError>) {
        if let Some(dump) = &mut self.dump
            && let Err(error) = write(dump)
        {
            self.failed = Some(error);
            self.dump = None;
        }
    }

    pub(super) fn start(&mut self, start: &Start) -> io::Result<()> {
        self.dumped(|dump| dump.start(start));
        self.view.start(start)
    }

    pub(super) fn waiting(&mut self) -> io::Result<()> {
        self.view.waiting()
    }

    pub(super) fn event(
        &mut self,
        event: &Event<'_>,
        finding: Option<&'static str>,
    ) -> io::Result<()> {
        self.dumped(|dump| dump.event(event, finding));
        self.view.event(event, finding)
    }

    pub(super) fn progress(&mut self, progress: &Progress) -> io::Result<()> {
        self.dumped(Dump::flush);
        self.view.progress(progress)
    }

    pub(super) fn end(&mut self, report: &Report) -> io::Result<()> {
        self.dumped(|dump| dump.end(report));
        self.view.end(report)
    }

    /// What became of the dump.
    ///
    /// # Errors
    /// Why it could not be written to its end.
    pub(super) fn finish(self, diagnostics: &Diagnostics) -> Result<(), DumpError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if let Some(dump) = &self.dump {
            let (name, packets, bytes) = dump.saved();
            diagnostics.note(&format!(
                "{packets} packets ({bytes} bytes) saved in {name}"
            ));
        }
        Ok(())
    }
}
