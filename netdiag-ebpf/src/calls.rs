//! What a function was called with, kept until it returns.
//!
//! A call may be interrupted by another on the same processor (a softirq in the middle of a system call), and a system
//! call may go on on another processor. So calls are kept by task, one above the other.

use aya_ebpf::{
    helpers::generated::{bpf_get_current_pid_tgid, bpf_get_smp_processor_id},
    macros::map,
    maps::LruHashMap,
};

/// A call, by the numbers that its return wants to know.
pub type Call = [u64; 4];

/// How deep calls can lie above each other: a task, a softirq in the midst of it, and one whose return was missed.
const DEPTH: usize = 3;

#[repr(C)]
#[derive(Clone, Copy)]
struct Stack {
    depth: u64,
    calls: [Call; DEPTH],
}

/// Calls that have not returned. Old ones give way: a return can be missed.
#[map]
static CALLS: LruHashMap<u64, Stack> = LruHashMap::with_max_entries(1024, 0);

/// Whose calls are in order: the task's, and for the idle tasks, which all have the number 0, the processor's.
#[inline(always)]
fn key() -> u64 {
    // SAFETY: no arguments.
    let (task, cpu) = unsafe { (bpf_get_current_pid_tgid(), bpf_get_smp_processor_id()) };
    if task == 0 {
        1 << 63 | cpu as u64
    } else {
        task
    }
}

/// The function is entered. `false` where a call will not be found again.
#[inline(always)]
pub fn enter(call: Call) -> bool {
    let key = key();
    if let Some(stack) = CALLS.get_ptr_mut(&key) {
        // SAFETY: the entry is this task's, and calls above this one have returned before anything else reads it.
        unsafe {
            match (*stack).depth {
                0 => (*stack).calls[0] = call,
                1 => (*stack).calls[1] = call,
                2 => (*stack).calls[2] = call,
                _ => {
                    // Returns were missed; one of these calls gives way.
                    (*stack).calls[0] = call;
                    (*stack).depth = 1;
                    return false;
                }
            }
            (*stack).depth += 1;
        }
        return true;
    }
    let stack = Stack {
        depth: 1,
        calls: [call, [0; 4], [0; 4]],
    };
    CALLS.insert(&key, &stack, 0).is_ok()
}

/// Marks the call that is on its way with this first number, if it is the uppermost.
#[inline(always)]
pub fn mark(first: u64, mark: u64) {
    let Some(stack) = CALLS.get_ptr_mut(&key()) else {
        return;
    };
    // SAFETY: as in `enter`.
    unsafe {
        match (*stack).depth {
            1 if (*stack).calls[0][0] == first => (*stack).calls[0][3] |= mark,
            2 if (*stack).calls[1][0] == first => (*stack).calls[1][3] |= mark,
            3 if (*stack).calls[2][0] == first => (*stack).calls[2][3] |= mark,
            _ => {}
        }
    }
}

/// The function returns: what it was called with.
#[inline(always)]
pub fn leave() -> Option<Call> {
    let stack = CALLS.get_ptr_mut(&key())?;
    // SAFETY: as in `enter`.
    unsafe {
        match (*stack).depth {
            3 => {
                (*stack).depth = 2;
                Some((*stack).calls[2])
            }
            2 => {
                (*stack).depth = 1;
                Some((*stack).calls[1])
            }
            1 => {
                (*stack).depth = 0;
                Some((*stack).calls[0])
            }
            _ => None,
        }
    }
}
