//! From draft to signed submission, and back: does an entry say what a row says?

use import::draft::Attachment;
use import::{Draft, Kind, Secret};
use records::{
    Disclosure, HeldBy, Op, Record, RecordDraft, Refusal, SealedField, SigningKey, Submission,
    Target, Until, Value,
};
use tlog::Hash;

use super::journal::Kept;
use super::planned::Act;

/// What is the same for all rows of a run.
#[derive(Debug)]
pub(crate) struct Sealer<'a> {
    pub(crate) submitter: &'a str,
    /// The log's name.
    pub(crate) origin: &'a str,
    pub(crate) key: &'a SigningKey,
    /// SHA-256 of the file, hexadecimal.
    pub(crate) file_sha256: String,
    /// SHA-256 of the map, hexadecimal: it shows a later reader how a figure came about.
    pub(crate) map_sha256: Option<String>,
    /// The reason of corrections and voids.
    pub(crate) why: Option<&'a str>,
}

/// Whether an entry says what a row says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Likeness {
    Same,
    /// It says something else at this pointer.
    Differs(String),
    /// The value at this pointer is shown by nobody we can ask; all that is known is the same.
    Unknown {
        pointer: String,
        is_personal: bool,
    },
}

/// A row as a record, not signed.
struct Unsigned {
    record: Record,
    for_log: Vec<Disclosure>,
    for_us: Vec<Disclosure>,
}

impl Sealer<'_> {
    /// Seals and signs a row. `salts`: one for each sealed value, fresh random bytes.
    ///
    /// # Errors
    /// The first of the log's rules that the record breaks; pointers are into the submission.
    pub(crate) fn seal(
        &self,
        draft: &Draft,
        act: &Act,
        salts: Vec<[u8; 16]>,
    ) -> Result<Kept, Refusal> {
        let Unsigned { record, for_log, for_us } = self.build(draft, act, salts)?;
        let mut submission = Submission::unsigned(record, for_log)?;
        submission.add_signature(self.key.sign_detached(submission.record().bytes()));
        let canonical = submission.to_canonical();
        // The door that the log uses: what it would refuse unread is never journalled.
        Submission::parse(&canonical, self.origin)?;
        let disclosures = for_us.iter().map(|disclosure| disclosure.text().to_owned()).collect();
        Ok(Kept { submission: canonical, disclosures })
    }

    /// Checks what [`Sealer::seal`] checks, and signs nothing.
    pub(crate) fn rehearse(&self, draft: &Draft, act: &Act) -> Result<(), Refusal> {
        let salts = vec![[0; 16]; draft.sealed.len()];
        let Unsigned { record, for_log, .. } = self.build(draft, act, salts)?;
        Submission::unsigned(record, for_log).map(drop)
    }

    fn build(&self, draft: &Draft, act: &Act, salts: Vec<[u8; 16]>) -> Result<Unsigned, Refusal> {
        assert_eq!(salts.len(), draft.sealed.len(), "one salt for each sealed value");
        let mut record = self.record(draft, act);
        let (mut for_log, mut for_us) = (Vec::new(), Vec::new());
        for (secret, salt) in draft.sealed.iter().zip(salts) {
            let (field, disclosure) = seal_field(secret, salt);
            record = record.sealed(field);
            match secret.held {
                HeldBy::Log => for_log.push(disclosure),
                HeldBy::Submitter => for_us.push(disclosure),
            }
        }
        let record = record.build().map_err(|refusal| refusal.under("/record"))?;
        Ok(Unsigned { record, for_log, for_us })
    }

    fn record(&self, draft: &Draft, act: &Act) -> RecordDraft {
        let mut source = vec![("file", Value::from(self.file_sha256.as_str()))];
        source.extend(self.map_sha256.as_deref().map(|map| ("map", Value::from(map))));
        // Whoever has the file would find the name in that row.
        if let Some(position) = draft.position.filter(|_| !draft.is_person) {
            source.push(("row", Value::Int(i64::try_from(position.row).unwrap_or(i64::MAX))));
        }
        if draft.rounded {
            source.push(("rounded", Value::Bool(true)));
        }
        let record = RecordDraft::new(self.origin, &draft.kind.profile, &draft.kind.name)
            .object(&draft.object)
            .submitter(self.submitter)
            .occurred(&draft.occurred)
            .data(draft.data.clone())
            .source(Value::map(source));
        let record = match &draft.contract {
            Some(contract) => record.reference("contract", contract),
            None => record,
        };
        let record = match draft.document.as_ref().filter(|_| !matches!(act, Act::Void(_))) {
            Some(document) => record.document(document_value(document)),
            None => record,
        };
        let why = self.why.unwrap_or_default();
        match act {
            Act::Add => record,
            Act::Correct(on) => record.correct(act.rev(), on.hash, on.rev, why),
            Act::Void(on) => record.void(act.rev(), on.hash, on.rev, why),
        }
    }

    /// Whether a record is of this kind and by this submitter.
    pub(crate) fn is_ours(&self, record: &Record, kind: &Kind) -> bool {
        kind.is_of(record) && record.submitter() == self.submitter
    }

    /// Compares a row with a record of its object: the clear members, and the sealed values as
    /// far as they are known. Where the row stood (`source`) does not matter.
    pub(crate) fn compare(
        &self,
        draft: &Draft,
        record: &Record,
        disclosures: &[Disclosure],
    ) -> Likeness {
        let differs = |pointer: &str| Likeness::Differs(pointer.to_owned());
        for (pointer, is_same) in [
            ("/record/profile", record.profile() == draft.kind.profile),
            ("/record/kind", record.kind() == draft.kind.name),
            ("/record/op", record.op() != Op::Void),
            ("/record/object", record.object() == draft.object),
            ("/record/submitter", record.submitter() == self.submitter),
            ("/record/occurred", record.occurred() == draft.occurred),
            ("/record/data", *record.data() == draft.data),
            ("/record/refs", has_refs(record, draft)),
            ("/record/documents", has_document(record, draft)),
            ("/record/sealed", has_same_fields(record, draft)),
        ] {
            if !is_same {
                return differs(pointer);
            }
        }
        // What differs is told before what cannot be known.
        let mut unknown = None;
        for (field, secret) in record.sealed().iter().zip(&draft.sealed) {
            let opened = disclosures.iter().find(|disclosure| disclosure.digest() == field.digest);
            let pointer = format!("/record{}", field.path);
            match opened {
                None => {
                    let is_personal = field.why.is_some();
                    unknown.get_or_insert(Likeness::Unknown { pointer, is_personal });
                }
                Some(disclosure) if disclosure.value().as_text() != Some(&secret.value) => {
                    return Likeness::Differs(pointer);
                }
                Some(_) => {}
            }
        }
        unknown.unwrap_or(Likeness::Same)
    }
}

fn seal_field(secret: &Secret, salt: [u8; 16]) -> (SealedField, Disclosure) {
    let name = secret.path.rsplit('/').next().unwrap_or_default();
    let value = secret.value.as_str().into();
    let (field, disclosure) = records::seal(&secret.path, name, value, salt, secret.held);
    if !secret.is_personal {
        return (field, disclosure);
    }
    let why = Some("person".to_owned());
    (SealedField { why, until: Some(Until::Open), ..field }, disclosure)
}

/// A document as it stands in a record.
fn document_value(document: &Attachment) -> Value {
    let size = i64::try_from(document.len).unwrap_or(i64::MAX);
    Value::map([
        ("sha256", Value::from(Hash::new(document.sha256).to_hex())),
        ("media", document.media.into()),
        ("size", Value::Int(size)),
        ("type", document.kind.into()),
    ])
}

fn has_refs(record: &Record, draft: &Draft) -> bool {
    let expected: Vec<&String> = draft.contract.iter().collect();
    let found: Vec<&String> = record
        .refs()
        .iter()
        .filter_map(|reference| match &reference.target {
            Target::Object(object) if reference.rel == "contract" => Some(object),
            _ => None,
        })
        .collect();
    found == expected && record.refs().len() == expected.len()
}

fn has_document(record: &Record, draft: &Draft) -> bool {
    let named = record.documents().iter().map(|document| document.sha256.clone());
    named.eq(draft.document.iter().map(|document| Hash::new(document.sha256).to_hex()))
}

fn has_same_fields(record: &Record, draft: &Draft) -> bool {
    record.sealed().len() == draft.sealed.len()
        && record.sealed().iter().zip(&draft.sealed).all(|(field, secret)| {
            field.path == secret.path
                && field.held == secret.held
                && field.is_personal() == secret.is_personal
        })
}
