//! The same work on several things, so many at a time.

use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::Result;

/// Works on each item, `at_once` of them at a time; what comes of them is in the items' order.
///
/// # Errors
/// Those of the work. What comes of the items beside it is lost then.
pub fn each<T: Sync, R: Send>(
    items: &[T],
    at_once: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let queue = Mutex::new(items.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || -> Result<()> {
        while let Some((index, item)) = next() {
            let result = work(item)?;
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((index, result));
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(worker)).collect();
        let mut ended = workers.into_iter().map(thread::ScopedJoinHandle::join);
        ended.try_for_each(|worker| worker.unwrap_or_else(|panic| resume_unwind(panic)))
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_items_order() {
        let doubled = each(&[1, 2, 3, 4, 5], 2, |item| Ok(item * 2)).unwrap();
        assert_eq!(doubled, [2, 4, 6, 8, 10]);
        let refused = each(&[1, 2, 3], 2, |item| {
            anyhow::ensure!(*item != 2, "no two");
            Ok(())
        });
        assert_eq!(refused.unwrap_err().to_string(), "no two");
    }
}
