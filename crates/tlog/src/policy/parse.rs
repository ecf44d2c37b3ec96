//! Reading a policy file, line by line. A name must be defined above the line that uses it.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Group, LogEntry, Member, Policy, Witness};
use super::error::{POLICY_BYTES_MAX, POLICY_ENTRIES_MAX, PolicyError, PolicyLineError};
use crate::encoding;
use crate::key::{KeyType, VerifierKey};

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyError::Line`] naming the first line that is wrong, [`PolicyError::TooLong`] or
    /// [`PolicyError::NoQuorumLine`].
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLong { got: text.len() });
        }
        let mut parser = Parser::default();
        for (number, line) in (1_usize..).zip(text.split('\n')) {
            parser.line(line).map_err(|source| PolicyError::Line { line: number, source })?;
        }
        parser.finish()
    }
}

#[derive(Default)]
struct Parser {
    logs: Vec<LogEntry>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    quorum: Option<QuorumLine>,
    /// Witnesses and groups share one set of names.
    defined: BTreeMap<String, Member>,
    taken: BTreeSet<Member>,
}

enum QuorumLine {
    NoWitness,
    Of(Member),
}

impl Parser {
    fn line(&mut self, line: &str) -> Result<(), PolicyLineError> {
        // SPEC tlog-policy: tab, line feed, printable ASCII and bytes above 0x7f.
        if line.bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
            return Err(PolicyLineError::ControlByte);
        }
        let tokens: Vec<&str> = line.split([' ', '\t']).filter(|token| !token.is_empty()).collect();
        match *tokens.as_slice() {
            [] => Ok(()),
            // SPEC tlog-policy: comments have their own line; later on, '#' is like any other byte.
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", key] => self.log(key, None),
            ["log", key, url] => self.log(key, Some(url)),
            ["witness", name, key] => self.witness(name, key, None),
            ["witness", name, key, url] => self.witness(name, key, Some(url)),
            ["group", name, threshold, ref members @ ..] => self.group(name, threshold, members),
            ["quorum", name] => self.quorum(name),
            ["log" | "witness" | "group" | "quorum", ..] => Err(PolicyLineError::Words),
            _ => Err(PolicyLineError::Keyword),
        }
    }

    fn log(&mut self, key: &str, url: Option<&str>) -> Result<(), PolicyLineError> {
        let key: VerifierKey = key.parse()?;
        if key.key_type() == Some(KeyType::CosignatureV1) {
            return Err(PolicyLineError::Role);
        }
        if self.logs.iter().any(|log| log.key == key) || self.is_witness_key(&key) {
            return Err(PolicyLineError::KeyTwice);
        }
        refuse_more(self.logs.len())?;
        self.logs.push(LogEntry { key, url: parse_url(url)? });
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&str>) -> Result<(), PolicyLineError> {
        let key: VerifierKey = key.parse()?;
        // A plain Ed25519 key is not read as a witness key: it says nothing about consistency.
        if !matches!(key.key_type(), Some(KeyType::CosignatureV1 | KeyType::MlDsa44) | None) {
            return Err(PolicyLineError::Role);
        }
        // SPEC tlog-policy: the public key decides what is a duplicate, whatever its name or type.
        // A log that is its own witness would be one.
        let is_log_key = |log: &LogEntry| log.key.public_key_bytes() == key.public_key_bytes();
        if self.is_witness_key(&key) || self.logs.iter().any(is_log_key) {
            return Err(PolicyLineError::KeyTwice);
        }
        refuse_more(self.witnesses.len())?;
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(Witness { name: name.to_owned(), key, url: parse_url(url)? });
        Ok(())
    }

    fn group(
        &mut self,
        name: &str,
        threshold: &str,
        members: &[&str],
    ) -> Result<(), PolicyLineError> {
        let threshold = match threshold {
            "all" => members.len(),
            "any" => 1,
            number => encoding::canonical_decimal(number)
                .and_then(|number| usize::try_from(number).ok())
                .ok_or(PolicyLineError::Threshold)?,
        };
        if threshold == 0 || threshold > members.len() {
            return Err(PolicyLineError::Threshold);
        }
        let members: Vec<Member> =
            members.iter().map(|member| self.take_member(member)).collect::<Result<_, _>>()?;
        refuse_more(self.groups.len())?;
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { threshold, members });
        Ok(())
    }

    fn quorum(&mut self, name: &str) -> Result<(), PolicyLineError> {
        if self.quorum.is_some() {
            return Err(PolicyLineError::QuorumTwice);
        }
        self.quorum = Some(match name {
            NONE => QuorumLine::NoWitness,
            name => QuorumLine::Of(*self.defined.get(name).ok_or(PolicyLineError::Undefined)?),
        });
        Ok(())
    }

    fn finish(self) -> Result<Policy, PolicyError> {
        let quorum = match self.quorum.ok_or(PolicyError::NoQuorumLine)? {
            QuorumLine::NoWitness => None,
            QuorumLine::Of(member) => Some(member),
        };
        let Self { logs, witnesses, groups, .. } = self;
        Ok(Policy { logs, witnesses, groups, quorum })
    }

    fn define(&mut self, name: &str, member: Member) -> Result<(), PolicyLineError> {
        if name == NONE || self.defined.contains_key(name) {
            return Err(PolicyLineError::NameTwice);
        }
        self.defined.insert(name.to_owned(), member);
        Ok(())
    }

    fn take_member(&mut self, name: &str) -> Result<Member, PolicyLineError> {
        let member = *self.defined.get(name).ok_or(PolicyLineError::Undefined)?;
        if self.taken.insert(member) { Ok(member) } else { Err(PolicyLineError::MemberTwice) }
    }

    fn is_witness_key(&self, key: &VerifierKey) -> bool {
        self.witnesses.iter().any(|other| other.key.public_key_bytes() == key.public_key_bytes())
    }
}

fn refuse_more(entries: usize) -> Result<(), PolicyLineError> {
    if entries >= POLICY_ENTRIES_MAX { Err(PolicyLineError::TooMany) } else { Ok(()) }
}

fn parse_url(url: Option<&str>) -> Result<Option<String>, PolicyLineError> {
    let Some(url) = url else { return Ok(None) };
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if host.is_none_or(str::is_empty) {
        return Err(PolicyLineError::Url);
    }
    Ok(Some(url.to_owned()))
}

const NONE: &str = "none";
