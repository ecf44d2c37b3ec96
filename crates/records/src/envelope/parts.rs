//! What a record points at: other objects, public documents, its source.

use crate::codes;
use crate::fields::Members;
use crate::json::Value;
use crate::name;
use crate::refusal::{At, Refusal, RuleId};

/// A link to another object of this log, or to an identifier elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// What the other is to this record, a code.
    pub rel: String,
    /// Where it leads.
    pub target: Target,
}

/// Where a reference leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An object of this log.
    Object(String),
    /// An identifier of another system, e.g. an ocid.
    Id(String),
}

/// A file that is public anyway, by its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentRef {
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Media type.
    pub media: String,
    /// Length in bytes.
    pub size: i64,
    /// What it is, a code of OCDS `documentType`.
    pub kind: String,
}

/// Where the submitter took the record from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Row of the source file, from 1.
    pub row: Option<i64>,
    /// SHA-256 of the source file, hexadecimal.
    pub file: Option<String>,
    /// SHA-256 of the mapping that was applied to it, hexadecimal.
    pub map: Option<String>,
    /// Whether the importer rounded a binary-float tail.
    pub rounded: bool,
}

pub(super) fn reference(value: Value, at: At<'_>) -> Result<Reference, Refusal> {
    let mut members = Members::of(value, at, RuleId::GRAMMAR)?;
    let rel =
        members.text_of("rel", "a relation such as contract", |rel| codes::REL.contains(&rel))?;
    let object = members.optional_text_of("object", "an object of this log", name::is_object)?;
    let id = members.optional_text_of("id", "an identifier without spaces", name::is_native_id)?;
    let target = match (object, id) {
        (Some(object), None) => Target::Object(object),
        (None, Some(id)) => Target::Id(id),
        _ => {
            return Err(members.wrong("object", "either object or id", "both or none", "keep one"));
        }
    };
    members.finish()?;
    Ok(Reference { rel, target })
}

pub(super) fn document(value: Value, at: At<'_>) -> Result<DocumentRef, Refusal> {
    let mut members = Members::of(value, at, RuleId::GRAMMAR)?;
    let sha256 =
        members.text_of("sha256", "64 lower-case hexadecimal digits", name::is_sha256_hex)?;
    let media =
        members.text_of("media", "a media type such as application/pdf", name::is_media_type)?;
    let kind = members
        .text_of("type", "a document type of OCDS", |kind| codes::DOCUMENT_TYPE.contains(&kind))?;
    let size = members.optional_int("size", 0)?.ok_or_else(|| members.missing("size"))?;
    members.finish()?;
    Ok(DocumentRef { sha256, media, size, kind })
}

pub(super) fn source(value: Value, at: At<'_>) -> Result<Source, Refusal> {
    let mut members = Members::of(value, at, RuleId::GRAMMAR)?;
    let hash = "64 lower-case hexadecimal digits";
    let row = members.optional_int("row", 1)?;
    let file = members.optional_text_of("file", hash, name::is_sha256_hex)?;
    let map = members.optional_text_of("map", hash, name::is_sha256_hex)?;
    let rounded = members.truth("rounded")?;
    members.finish()?;
    Ok(Source { row, file, map, rounded })
}
