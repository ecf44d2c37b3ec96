//! Every answer that a log ever gave, held against each other: what was answered once is true for
//! ever, whatever happened to the process in between.

use std::collections::BTreeMap;

use tlog::{TreeHead, leaf_hash};

use crate::reader::Reader;

/// What was sent, what was answered, which heads were seen.
#[derive(Debug, Default)]
pub struct History {
    /// By object: the record's bytes, and the answer, if there was one.
    records: BTreeMap<String, Sent>,
    /// By size: the root that was published.
    heads: BTreeMap<u64, TreeHead>,
    answers: usize,
}

#[derive(Debug)]
struct Sent {
    record: Vec<u8>,
    submission: Vec<u8>,
    receipt: Option<(u64, String)>,
}

impl History {
    /// Remembers a record before it is sent.
    pub fn sent(&mut self, object: &str, record: &[u8], submission: &[u8]) {
        self.records.entry(object.to_owned()).or_insert_with(|| Sent {
            record: record.to_vec(),
            submission: submission.to_vec(),
            receipt: None,
        });
    }

    /// Remembers an answer that says "committed" or "published".
    ///
    /// # Panics
    /// When the log once said otherwise.
    pub fn answered(&mut self, object: &str, index: u64, leaf_hash: &str) {
        self.answers += 1;
        let sent = self.records.get_mut(object).expect("only what was sent is answered");
        let receipt = (index, leaf_hash.to_owned());
        match &sent.receipt {
            Some(before) => {
                assert_eq!(*before, receipt, "{object} was answered differently before");
            }
            None => sent.receipt = Some(receipt),
        }
    }

    /// Remembers a head that was published with its quorum.
    ///
    /// # Panics
    /// When another root was published for the same size.
    pub fn published(&mut self, head: TreeHead) {
        let before = self.heads.entry(head.size.get()).or_insert(head);
        assert_eq!(*before, head, "two trees of one size were published");
    }

    /// How many answers were given.
    pub fn answers(&self) -> usize {
        self.answers
    }

    /// How many heads were seen.
    pub fn heads(&self) -> usize {
        self.heads.len()
    }

    /// How many records were sent and never answered.
    pub fn unanswered(&self) -> usize {
        self.records.values().filter(|sent| sent.receipt.is_none()).count()
    }

    /// The figures, in words.
    pub fn summary(&self) -> String {
        let (answers, heads, open) = (self.answers(), self.heads(), self.unanswered());
        format!("{answers} answers, {heads} heads, {open} records without an answer")
    }

    /// All that was sent.
    pub fn submissions(&self) -> Vec<(String, Vec<u8>)> {
        let all = self.records.iter();
        all.map(|(object, sent)| (object.clone(), sent.submission.clone())).collect()
    }

    /// Downloads the whole published tree, which must hold every answered record at its index with
    /// its bytes, no record twice, and extend every head that was ever seen.
    ///
    /// # Panics
    /// When it does not.
    pub fn holds_in(&self, reader: &Reader) {
        let head = reader.checkpoint().head();
        let entries = reader.tree(&head);
        let mut found: BTreeMap<String, u64> = BTreeMap::new();
        for (index, bytes) in (0..).zip(&entries) {
            let entry = records::Entry::parse(bytes).expect("an entry");
            let object = entry.record().object().to_owned();
            let Some(sent) = self.records.get(&object) else { continue };
            assert_eq!(entry.record().bytes(), sent.record, "{object} has other bytes");
            let before = found.insert(object.clone(), index);
            assert_eq!(before, None, "{object} is in the tree twice");
            if let Some((answered_index, answered_hash)) = &sent.receipt {
                assert_eq!(index, *answered_index, "{object} is not where it was answered to be");
                assert_eq!(leaf_hash(bytes).to_base64(), *answered_hash, "{object}");
            }
        }
        for (object, sent) in &self.records {
            let is_there = found.contains_key(object);
            assert!(is_there || sent.receipt.is_none(), "{object} was answered and is not there");
        }
        for seen in self.heads.values() {
            reader.extends(seen, &head);
        }
        let seen: Vec<&TreeHead> = self.heads.values().collect();
        for pair in seen.windows(2) {
            reader.extends(pair[0], pair[1]);
        }
    }
}
