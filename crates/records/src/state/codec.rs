//! The bytes of the state's values. Rebuilt from entries, so they may change with a format version.
//!
//! Each starts with a format byte; numbers are big-endian; texts carry a two-byte length.

use super::rows::{KeyRole, KeyState, ObjectHead, Revision, SubmitterState};
use crate::entry_index::EntryIndex;
use crate::jwk::{Kid, PublicKey, RawPublicKey};
use crate::record::{Op, RecordHash};

const FORMAT: u8 = 1;

pub(super) fn encode_object_head(head: &ObjectHead) -> Vec<u8> {
    let mut out = Writer::new();
    out.u32(head.rev);
    out.u64(head.index.get());
    out.raw(head.record_hash.as_bytes());
    out.op(head.op, head.of);
    out.text(&head.profile);
    out.text(&head.kind);
    out.0
}

pub(super) fn object_head(bytes: &[u8]) -> Option<ObjectHead> {
    let mut input = Reader::new(bytes)?;
    let rev = input.u32()?;
    let index = EntryIndex::new(input.u64()?);
    let record_hash = RecordHash::new(input.array()?);
    let (op, of) = input.op()?;
    let (profile, kind) = (input.text()?, input.text()?);
    input.finish(ObjectHead { rev, index, record_hash, op, of, profile, kind })
}

pub(super) fn encode_revision(revision: &Revision) -> Vec<u8> {
    let mut out = Writer::new();
    out.u64(revision.index.get());
    out.raw(revision.record_hash.as_bytes());
    out.op(revision.op, revision.of);
    out.text(&revision.kind);
    out.optional_u32(revision.replaced_by);
    out.0
}

pub(super) fn revision(bytes: &[u8]) -> Option<Revision> {
    let mut input = Reader::new(bytes)?;
    let index = EntryIndex::new(input.u64()?);
    let record_hash = RecordHash::new(input.array()?);
    let (op, of) = input.op()?;
    let kind = input.text()?;
    let replaced_by = input.optional()?.into();
    input.finish(Revision { index, record_hash, op, of, kind, replaced_by })
}

pub(super) fn encode_key(key: &KeyState) -> Vec<u8> {
    let mut out = Writer::new();
    match key.public.raw() {
        RawPublicKey::P256(point) => {
            out.u8(1);
            out.raw(point);
        }
        RawPublicKey::Ed25519(point) => {
            out.u8(2);
            out.raw(point);
        }
    }
    out.u8(match key.role {
        KeyRole::Governance => 1,
        KeyRole::Operator => 2,
        KeyRole::Submitter => 3,
    });
    out.text(&key.submitter);
    out.u64(key.added.get());
    match key.revoked {
        Some(revoked) => {
            out.u8(1);
            out.u64(revoked.get());
        }
        None => out.u8(0),
    }
    out.text(key.since.as_deref().unwrap_or_default());
    // Only what differs from the ordinary is written, so that older values stay as they are.
    if !key.uses.is_empty() || key.counts_from_ms > 0 {
        out.texts(&key.uses);
        out.u64(key.counts_from_ms);
    }
    out.0
}

pub(super) fn key(kid: &Kid, bytes: &[u8]) -> Option<KeyState> {
    let mut input = Reader::new(bytes)?;
    let raw = match input.u8()? {
        1 => RawPublicKey::P256(input.array()?),
        2 => RawPublicKey::Ed25519(input.array()?),
        _ => return None,
    };
    let role = match input.u8()? {
        1 => KeyRole::Governance,
        2 => KeyRole::Operator,
        3 => KeyRole::Submitter,
        _ => return None,
    };
    let submitter = input.text()?;
    let added = EntryIndex::new(input.u64()?);
    let revoked = match input.u8()? {
        0 => None,
        1 => Some(EntryIndex::new(input.u64()?)),
        _ => return None,
    };
    let since = Some(input.text()?).filter(|since| !since.is_empty());
    let public = PublicKey::trusted_as(raw, kid.clone());
    let (uses, counts_from_ms) =
        if input.is_empty() { (Vec::new(), 0) } else { (input.texts()?, input.u64()?) };
    input.finish(KeyState { public, role, submitter, added, revoked, since, uses, counts_from_ms })
}

pub(super) fn encode_submitter(submitter: &SubmitterState) -> Vec<u8> {
    let mut out = Writer::new();
    out.text(&submitter.log);
    out.texts(&submitter.bodies);
    out.texts(&submitter.profiles);
    out.u64(submitter.added.get());
    // Only what differs from the ordinary is written, so that older values stay as they are.
    if !submitter.roles.is_empty() || submitter.closed.is_some() {
        out.texts(&submitter.roles);
        out.optional_index(submitter.closed);
    }
    out.0
}

pub(super) fn submitter(id: &str, bytes: &[u8]) -> Option<SubmitterState> {
    let mut input = Reader::new(bytes)?;
    let log = input.text()?;
    let (bodies, profiles) = (input.texts()?, input.texts()?);
    let added = EntryIndex::new(input.u64()?);
    let (roles, closed) = if input.is_empty() {
        (Vec::new(), None)
    } else {
        (input.texts()?, input.optional_index()?)
    };
    input.finish(SubmitterState {
        submitter: id.to_owned(),
        log,
        bodies,
        profiles,
        roles,
        added,
        closed,
    })
}

pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn new() -> Self {
        let mut bytes = Vec::with_capacity(96);
        bytes.push(FORMAT);
        Self(bytes)
    }

    pub(super) fn u8(&mut self, number: u8) {
        self.0.push(number);
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.raw(&number.to_be_bytes());
    }

    pub(super) fn u64(&mut self, number: u64) {
        self.raw(&number.to_be_bytes());
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn optional_index(&mut self, index: Option<EntryIndex>) {
        self.u8(u8::from(index.is_some()));
        if let Some(index) = index {
            self.u64(index.get());
        }
    }

    pub(super) fn optional_u32(&mut self, number: Option<u32>) {
        self.u8(u8::from(number.is_some()));
        if let Some(number) = number {
            self.u32(number);
        }
    }

    pub(super) fn op(&mut self, op: Op, of: Option<u32>) {
        self.u8(match op {
            Op::Add => 1,
            Op::Next => 2,
            Op::Correct => 3,
            Op::Void => 4,
        });
        self.optional_u32(of);
    }

    pub(super) fn text(&mut self, text: &str) {
        // Names are at most 255 bytes by their grammar; a longer one is cut here and refused when read.
        let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
        self.raw(&len.to_be_bytes());
        self.raw(text.as_bytes());
    }

    /// Bytes with their length; none of ours is longer than a record.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.len(bytes.len());
        self.raw(bytes);
    }

    pub(super) fn len(&mut self, len: usize) {
        self.raw(&u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn texts(&mut self, texts: &[String]) {
        let count = u16::try_from(texts.len()).unwrap_or(u16::MAX);
        self.raw(&count.to_be_bytes());
        for text in texts {
            self.text(text);
        }
    }
}

pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.strip_prefix(&[FORMAT]).map(Self)
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]: [u8; 1]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// Whether there is an index, and which; `None` for an end of the bytes.
    #[expect(clippy::option_option, reason = "the outer one is the end of the bytes")]
    pub(super) fn optional_index(&mut self) -> Option<Option<EntryIndex>> {
        match self.u8()? {
            0 => Some(None),
            1 => self.u64().map(|index| Some(EntryIndex::new(index))),
            _ => None,
        }
    }

    /// A flag byte, and the number if it is set; the flag tells absence from an end of the bytes.
    fn optional(&mut self) -> Option<Presence> {
        match self.u8()? {
            0 => Some(Presence::Absent),
            1 => self.u32().map(Presence::Present),
            _ => None,
        }
    }

    pub(super) fn op(&mut self) -> Option<(Op, Option<u32>)> {
        let op = match self.u8()? {
            1 => Op::Add,
            2 => Op::Next,
            3 => Op::Correct,
            4 => Op::Void,
            _ => return None,
        };
        Some((op, self.optional()?.into()))
    }

    pub(super) fn text(&mut self) -> Option<String> {
        let len = usize::from(self.u16()?);
        std::str::from_utf8(self.take(len)?).ok().map(str::to_owned)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::from(self.u16()?);
        self.take(len)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn texts(&mut self) -> Option<Vec<String>> {
        let count = self.u16()?;
        (0..count).map(|_| self.text()).collect()
    }

    /// The value, if nothing is left over.
    pub(super) fn finish<T>(self, value: T) -> Option<T> {
        self.0.is_empty().then_some(value)
    }
}

enum Presence {
    Absent,
    Present(u32),
}

impl From<Presence> for Option<u32> {
    fn from(presence: Presence) -> Self {
        match presence {
            Presence::Absent => None,
            Presence::Present(number) => Some(number),
        }
    }
}
