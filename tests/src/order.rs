//! The order that a [`Trace`] must have: on the disk first, then said.
//!
//! ```text
//! server    request ─► write-ahead log: write, fdatasync ─► "committed"
//!                          └─► anchor: write, fsync, rename, fsync of the folder
//!                                 └─► signature to the witnesses
//!                                        └─► published note: write, fdatasync ─► "published"
//! witness   request ─► state: write, fsync, rename, fsync of the folder ─► cosignature
//! ```
//!
//! Each arrow says that the call before it *ended*, without an error, before the call after it
//! *began*. What is looked for after a request is the first byte written to that connection,
//! whatever it is.

use crate::trace::{Call, Trace};

/// Calls in the order in which they must happen, each with what it is for.
#[derive(Clone, Debug, Default)]
pub struct Order<'a> {
    steps: Vec<(&'static str, &'a Call)>,
}

/// What to look for in the trace of a server.
#[derive(Clone, Debug)]
pub struct Round<'a> {
    /// The log's name.
    pub origin: &'a str,
    /// A text that only the record's request and its entry hold: the object.
    pub object: &'a str,
    /// The size of the tree that the record was put into.
    pub size: u64,
}

impl<'a> Order<'a> {
    /// A record, from its request to the first byte of its answer; the answer says "committed".
    ///
    /// # Errors
    /// What is missing or came too early.
    pub fn of_commit(trace: &'a Trace, round: &Round<'_>) -> Result<Self, String> {
        let mut order = Self::default();
        let request = order.commit(trace, round)?;
        let answer = first_byte_after(trace, request)?;
        order.then("the first byte of the answer", answer)?;
        Ok(order)
    }

    /// A record, from its request to the first byte of its answer, which says "published", by way
    /// of anchor, witnesses and the published note.
    ///
    /// # Errors
    /// What is missing or came too early.
    pub fn of_publication(trace: &'a Trace, round: &Round<'_>) -> Result<Self, String> {
        let mut order = Self::default();
        let request = order.commit(trace, round)?;
        let head = format!("{}\n{}\n", round.origin, round.size);
        let anchored = format!("\"size\": {},", round.size);
        order.replace(trace, "anchor", |call| call.shows(&anchored))?;
        // The first witness that is told; the head is in the request's body.
        let ask = find(trace, request.ended, "a request to a witness", |call| {
            call.is_write() && call.shows("POST /add-checkpoint") && call.shows(&head)
        })?;
        order.then("the first byte of the signature to a witness", ask)?;
        let note = find(trace, request.ended, "the published note", |call| {
            is_write_ahead(call) && call.shows(&head)
        })?;
        order.then("the published note goes into the write-ahead log", note)?;
        order.then("and onto the disk", synced(trace, note)?)?;
        let answer = first_byte_after(trace, request)?;
        order.then("the first byte of the answer", answer)?;
        // Nobody may have been shown it before.
        let is_shown =
            |call: &Call| call.is_write() && call.shows("HTTP/1.1 200 OK") && call.shows(&head);
        let shown = find(trace, request.ended, "an answer with the new checkpoint", is_shown)?;
        let on_disk = synced(trace, note)?;
        if shown.began <= on_disk.ended {
            return Err("the checkpoint was served before it was on the disk".to_owned());
        }
        Ok(order)
    }

    /// A cosignature, from the request to its first byte.
    ///
    /// # Errors
    /// What is missing or came too early.
    pub fn of_cosignature(trace: &'a Trace, origin: &str, size: u64) -> Result<Self, String> {
        let mut order = Self::default();
        let head = format!("{origin}\n{size}\n");
        let request = find(trace, 0, "a request to cosign", |call| {
            call.is_read() && call.shows("POST /add-checkpoint") && call.shows(&head)
        })?;
        order.then("a log asks for a cosignature", request)?;
        order.replace(trace, "state", |call| call.shows(&head))?;
        let answer = first_byte_after(trace, request)?;
        order.then("the first byte of the cosignature", answer)?;
        Ok(order)
    }

    /// The calls with what they are for.
    pub fn steps(&self) -> &[(&'static str, &'a Call)] {
        &self.steps
    }

    /// Everything that was put on the disk from the first step to the last: call and file name.
    pub fn syncs(&self, trace: &Trace) -> Vec<String> {
        let (Some((_, first)), Some((_, last))) = (self.steps.first(), self.steps.last()) else {
            return Vec::new();
        };
        let syncs = trace.between(first.began, last.began).filter(|call| call.is_sync());
        syncs
            .map(|call| {
                let name = call.descriptor().rsplit('/').next().unwrap_or("");
                // Write-ahead logs are numbered.
                let is_number = name.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
                format!("{} {}", call.name, if is_number { "write-ahead log" } else { name })
            })
            .collect()
    }

    /// The entry goes into the write-ahead log and onto the disk. Returns the request.
    fn commit(&mut self, trace: &'a Trace, round: &Round<'_>) -> Result<&'a Call, String> {
        let request = find(trace, 0, "the request", |call| {
            call.is_read() && call.shows("POST /v1/records") && call.shows(round.object)
        })?;
        self.then("a record comes in", request)?;
        let entry = find(trace, request.began, "the entry in the write-ahead log", |call| {
            is_write_ahead(call) && call.shows(round.object)
        })?;
        self.then("its entry goes into the write-ahead log", entry)?;
        self.then("and onto the disk", synced(trace, entry)?)?;
        Ok(request)
    }

    /// A file is replaced: written beside it, synced, renamed, and the folder synced.
    fn replace(
        &mut self,
        trace: &'a Trace,
        what: &str,
        is_it: impl Fn(&Call) -> bool,
    ) -> Result<(), String> {
        let start = self.steps.last().map_or(0, |(_, last)| last.began);
        let write = find(trace, start, &format!("the new {what}"), |call| {
            call.is_write() && has_extension(call, "tmp") && is_it(call)
        })?;
        self.then("the new content is written beside the file", write)?;
        self.then("and onto the disk", synced(trace, write)?)?;
        let rename = find(trace, write.began, &format!("renaming the {what}"), |call| {
            call.name == "rename" && call.arguments.contains(write.descriptor())
        })?;
        self.then("it takes the file's name", rename)?;
        let folder = write.descriptor().rsplit_once('/').map_or("", |(folder, _)| folder);
        let sync = find(trace, rename.began, &format!("the {what}'s folder synced"), |call| {
            call.is_sync() && call.descriptor() == folder
        })?;
        self.then("and the name goes onto the disk", sync)
    }

    /// The step before must have ended, without an error, before this one begins.
    fn then(&mut self, what: &'static str, call: &'a Call) -> Result<(), String> {
        if let Some((before, last)) = self.steps.last() {
            if !last.succeeded() {
                return Err(format!("`{before}` failed: {}", last.result));
            }
            if last.ended >= call.began {
                return Err(format!(
                    "`{what}` (line {}) began before `{before}` had ended (line {})",
                    call.began, last.ended
                ));
            }
        }
        self.steps.push((what, call));
        Ok(())
    }
}

fn find<'a>(
    trace: &'a Trace,
    from: usize,
    what: &str,
    is_it: impl Fn(&Call) -> bool,
) -> Result<&'a Call, String> {
    trace.first_from(from, is_it).ok_or_else(|| format!("{what} is not in the trace"))
}

/// The first byte on the connection that a request came in on.
fn first_byte_after<'a>(trace: &'a Trace, request: &Call) -> Result<&'a Call, String> {
    find(trace, request.began + 1, "an answer", |call| {
        call.is_write() && call.descriptor() == request.descriptor()
    })
}

/// The sync that covers a write: the first of that file that begins after the write ended.
fn synced<'a>(trace: &'a Trace, write: &Call) -> Result<&'a Call, String> {
    let file = write.descriptor();
    find(trace, write.ended.saturating_add(1), &format!("a sync of {file}"), |call| {
        matches!(call.name.as_str(), "fsync" | "fdatasync") && call.descriptor() == file
    })
}

fn has_extension(call: &Call, extension: &str) -> bool {
    call.descriptor().rsplit_once('.').is_some_and(|(_, found)| found == extension)
}

fn is_write_ahead(call: &Call) -> bool {
    call.is_write() && has_extension(call, "log")
}

#[cfg(test)]
mod tests;
