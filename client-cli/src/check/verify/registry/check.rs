//! The signatures of an entry, and whether its submitter may say it.

use records::profile::{Kind, shipped};
use records::{DetachedJws, Record, name};

use super::{Broken, Link, NO_REGISTRATION, Owner, Proven, RegisteredKey, Registry};
use super::{holds, is_registration};
use crate::check::verify::SignatureFinding;

impl Registry {
    /// Checks the signatures of an entry as far as the file holds their keys.
    pub(in crate::check::verify) fn check(
        &self,
        one: &Proven,
    ) -> Result<Vec<SignatureFinding>, Broken> {
        let found = one.entry.signatures().iter().map(|signature| self.check_one(one, signature));
        let mut found = found.collect::<Result<Vec<SignatureFinding>, Broken>>()?;
        if is_registration(&one.entry) {
            return Ok(found);
        }
        if let Some(missing) = self.granted(one)? {
            for finding in found.iter_mut().filter(|finding| finding.checked) {
                finding.lack(&missing);
            }
        }
        Ok(found)
    }

    fn check_one(&self, one: &Proven, signature: &DetachedJws) -> Result<SignatureFinding, Broken> {
        let kid = signature.kid();
        let mut finding = SignatureFinding {
            kid: kid.to_string(),
            algorithm: signature.algorithm().as_str(),
            checked: false,
            missing: None,
            registered_at: None,
            registered_for: None,
            in_doubt_since: None,
        };
        let Some(known) = self.keys.get(kid) else {
            finding.missing = Some(NO_REGISTRATION.to_owned());
            return Ok(finding);
        };
        if !holds(signature, &known.key, &one.entry) {
            let why = format!("the signature of key {kid} is not one over this record");
            return Err(one.broken(Link::SubmitterSignature, why));
        }
        finding.checked = true;
        finding.registered_at = Some(known.added);
        finding.registered_for = Some(known.owner.name().to_owned());
        if let Some(missing) = &known.missing {
            finding.lack(missing);
        }
        if is_registration(&one.entry) {
            return Ok(finding);
        }
        expect_counting(one, known)?;
        if known.owner != Owner::of(one.entry.record().submitter())
            && let Some(missing) = self.cosigned(one, known)?
        {
            finding.lack(&missing);
        }
        finding.in_doubt_since = known.revoked.as_ref().and_then(|(_, since)| since.clone());
        Ok(finding)
    }

    /// A signature by somebody other than the submitter: the kind must ask for one of that role.
    fn cosigned(&self, one: &Proven, known: &RegisteredKey) -> Result<Option<String>, Broken> {
        let record = one.entry.record();
        let (kid, other) = (known.key.kid(), known.owner.name());
        let Some(kind) = self.kind(record) else { return Ok(Some(lacks_profile(record))) };
        let why = match (kind.cosigned(), self.grants.get(other)) {
            (Some(cosigned), Some(grant)) if grant.roles.contains(&cosigned.by) => {
                return Ok(None);
            }
            (Some(_), None) if matches!(known.owner, Owner::Submitter(_)) => {
                return Ok(Some(format!("the file lacks the registration of {other}")));
            }
            (Some(cosigned), _) => {
                format!(
                    "key {kid} is of {other}, which is no {}, as {} needs",
                    cosigned.by,
                    kind.name()
                )
            }
            (None, _) => {
                format!("key {kid} is registered for {other}, not for {}", record.submitter())
            }
        };
        Err(one.broken(Link::Registration, why))
    }

    /// Whether the submitter may write this record: broken, or granted (`None`), or what is missing.
    fn granted(&self, one: &Proven) -> Result<Option<String>, Broken> {
        let record = one.entry.record();
        let submitter = record.submitter();
        let kind = self.kind(record);
        let takes_one_time = kind.is_some_and(Kind::takes_one_time_keys);
        if name::one_time_key(submitter).is_some() {
            return match kind {
                Some(_) if takes_one_time => Ok(None),
                Some(kind) => {
                    let why = format!("{} takes no one-time keys", kind.name());
                    Err(one.broken(Link::Registration, why))
                }
                None => Ok(Some(lacks_profile(record))),
            };
        }
        let closed = self.closed.get(submitter).filter(|at| **at <= one.index);
        if let Some(closed) = closed {
            let why = format!("{submitter} was closed at index {closed}");
            return Err(one.broken(Link::Registration, why));
        }
        let Some(grant) = self.grants.get(submitter) else {
            return Ok(Some(format!("the file lacks the registration of {submitter}")));
        };
        let body = name::body_of(record.object());
        let is_own = grant.bodies.iter().any(|granted| granted == body) || takes_one_time;
        let lent = self.delegations.iter().rev();
        let lent = lent
            .filter(|it| it.index < one.index && it.to == submitter && it.body == body)
            .find(|_| !is_own);
        let (profiles, missing) = match lent {
            Some(lent) => (&lent.profiles, lent.missing.clone()),
            None if is_own => (&grant.profiles, None),
            None => return Ok(Some(format!("the file lacks who lent {body} to {submitter}"))),
        };
        let why = if !profiles.iter().any(|granted| granted == record.profile()) {
            format!("{submitter} is not registered for {}", record.profile())
        } else if let Some(kind) = kind.filter(|kind| {
            !kind.by().is_empty() && !kind.by().iter().any(|role| grant.roles.contains(role))
        }) {
            format!("{submitter} has not the role that {} needs", kind.name())
        } else {
            return Ok(missing);
        };
        Err(one.broken(Link::Registration, why))
    }

    /// Whether a submitter could lend this body: broken, or reached (`None`), or what is missing.
    pub(super) fn lent(
        &self,
        one: &Proven,
        submitter: &str,
        body: &str,
        profiles: &[String],
    ) -> Result<Option<String>, Broken> {
        let mut missing = None;
        for signature in one.entry.signatures() {
            let kid = signature.kid();
            let Some(known) = self.keys.get(kid) else {
                missing = Some(format!("the file lacks the registration of key {kid}"));
                continue;
            };
            if known.owner != Owner::of(submitter) || !holds(signature, &known.key, &one.entry) {
                let why = format!("key {kid} cannot lend a body of {submitter}");
                return Err(one.broken(Link::Registration, why));
            }
            expect_counting(one, known)?;
            missing = missing.or_else(|| known.missing.clone());
        }
        let Some(grant) = self.grants.get(submitter) else {
            return Ok(Some(format!("the file lacks the registration of {submitter}")));
        };
        let has_all = profiles.iter().all(|profile| grant.profiles.contains(profile));
        if !has_all || !grant.bodies.iter().any(|own| own == body) {
            let why = format!("{submitter} lends {body}, or a profile, which it was not granted");
            return Err(one.broken(Link::Registration, why));
        }
        Ok(missing)
    }

    /// The kind of a record, if its profile is shipped or in the file.
    fn kind(&self, record: &Record) -> Option<&Kind> {
        let profile = shipped(record.profile()).or_else(|| self.profiles.get(record.profile()))?;
        profile.kind(record.kind())
    }
}

/// A key counts between its registration and its revocation.
fn expect_counting(one: &Proven, known: &RegisteredKey) -> Result<(), Broken> {
    let kid = known.key.kid();
    let brings_it = one.entry.record().brought_key().is_some_and(|key| key.kid() == kid);
    let why = if known.added >= one.index && !brings_it {
        format!("key {kid} was registered at index {} only, not before", known.added)
    } else if one.entry.admitted_ms() < known.counts_from_ms {
        let from = records::format_millis(known.counts_from_ms);
        format!("key {kid} was added by governance alone, so it counts from {from} only")
    } else if let Some((revoked, _)) = known.revoked.as_ref().filter(|(at, _)| *at <= one.index) {
        format!("key {kid} was revoked at index {revoked}")
    } else {
        return Ok(());
    };
    Err(one.broken(Link::Registration, why))
}

fn lacks_profile(record: &Record) -> String {
    format!("the file lacks the profile {}", record.profile())
}

impl SignatureFinding {
    /// Something between this signature and entry 0 is not in the file.
    fn lack(&mut self, missing: &str) {
        self.checked = false;
        self.registered_at = None;
        self.registered_for = None;
        self.missing.get_or_insert_with(|| missing.to_owned());
    }
}
