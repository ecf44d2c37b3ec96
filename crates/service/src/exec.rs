//! How urgently a thread is run.

use std::io;

/// Makes the calling thread, and it alone, give way to others: `nice` from 0 to 19, the kindest.
///
/// Work that may wait runs at 10, so that reads keep their latency on a busy machine.
///
/// # Errors
/// What the operating system said. Being kinder needs no privilege; becoming less kind does.
pub fn lower_thread_priority(nice: i32) -> io::Result<()> {
    // On Linux "process 0" means the calling thread, not the whole process.
    rustix::process::setpriority_process(None, nice.clamp(0, NICE_MAX))?;
    Ok(())
}

const NICE_MAX: i32 = 19;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lowers_the_calling_thread_only() {
        let here = || rustix::process::getpriority_process(None).unwrap();
        let before = here();
        let there = std::thread::spawn(move || {
            lower_thread_priority(10).unwrap();
            here()
        });
        assert_eq!(there.join().unwrap(), 10.max(before));
        assert_eq!(here(), before);
    }
}
