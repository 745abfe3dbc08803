//! What became of each rung of a ladder, told with what was met and verified, never with a guessed cause.

use super::{errno::Errno, hook::Hook};
use std::fmt;

/// What became of one rung.
#[derive(Clone, Debug)]
pub struct RungReport {
    /// The kernel's function or tracepoint.
    pub probe: &'static str,
    /// How.
    pub hook: Hook,
    /// Attached, or why not.
    pub state: RungState,
    /// What is lost on this rung against the best one.
    pub loses: &'static str,
}

/// Whether a rung holds.
#[derive(Clone, Debug)]
pub enum RungState {
    /// It holds.
    Attached,
    /// The kernel refused it.
    Refused(Refusal),
    /// It was not tried: this kernel has not what it takes.
    Impossible(String),
    /// The user left it out.
    LeftOut(&'static str),
}

/// A refusal by the kernel.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// `load` or `attach`.
    pub step: &'static str,
    /// The error number, where there was one.
    pub errno: Option<Errno>,
    /// The error in words, the verifier's last ones included.
    pub message: String,
    /// What was checked about it, and found.
    pub verified: Vec<String>,
}

impl RungState {
    /// Whether it holds.
    pub fn is_attached(&self) -> bool {
        matches!(self, Self::Attached)
    }
}

impl fmt::Display for RungState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attached => f.write_str("attached"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Impossible(why) => f.write_str(why),
            Self::LeftOut(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused at {}: ", self.step)?;
        match self.errno {
            Some(errno) => errno.fmt(f)?,
            None => f.write_str(&self.message)?,
        }
        if !self.verified.is_empty() {
            write!(f, " (verified: {})", self.verified.join("; "))?;
        }
        Ok(())
    }
}
