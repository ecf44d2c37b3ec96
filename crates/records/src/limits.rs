//! Every limit of engine version 1, by name. A limit is part of the verdict, so none of them may
//! change without a new engine version.

/// Version of the admission engine: limits, grammar, currency table and meaning of the rules.
pub const ENGINE_VERSION: u32 = 1;

/// Longest canonical record, in bytes.
pub const RECORD_BYTES_MAX: usize = 32 * 1024;
/// Longest entry (one leaf), in bytes; entry bundles carry 16-bit lengths, so it must stay below 65,536.
pub const ENTRY_BYTES_MAX: usize = 49_000;
/// Longest submission (record, signatures and disclosures), in bytes.
pub const SUBMISSION_BYTES_MAX: usize = 64 * 1024;
/// Deepest nesting of arrays and objects in any document; the document itself is level 1.
pub const DEPTH_MAX: usize = 16;
/// Longest string, in UTF-8 bytes after unescaping.
pub const STRING_BYTES_MAX: usize = 8 * 1024;
/// Most members of one object.
pub const KEYS_MAX: usize = 128;
/// Most signatures of one record.
pub const SIGNATURES_MAX: usize = 4;
/// Most submissions in one NDJSON batch.
pub const BATCH_LINES_MAX: usize = 10_000;
/// Longest NDJSON batch, in bytes.
pub const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Longest object name, in bytes.
pub const OBJECT_BYTES_MAX: usize = 200;
/// Longest member name, in bytes.
pub const MEMBER_NAME_BYTES_MAX: usize = 64;
/// Longest identifier of a submitter, a body or a party, in bytes.
pub const PARTY_ID_BYTES_MAX: usize = 100;
/// Longest code of a classification, in bytes.
pub const CODE_BYTES_MAX: usize = 64;
/// Longest identifier taken over from the submitter's own system, in bytes.
pub const NATIVE_ID_BYTES_MAX: usize = 100;
/// Longest origin (name of a log), in bytes.
pub const ORIGIN_BYTES_MAX: usize = 255;
/// Longest protected header of a signature, decoded, in bytes.
pub const JWS_HEADER_BYTES_MAX: usize = 512;
/// Most digits before the decimal point of an amount.
pub const MONEY_INTEGER_DIGITS_MAX: usize = 24;
/// Most governance signatures that can be demanded: the new key of a `submitter.add` signs too.
pub const GOVERNANCE_THRESHOLD_MAX: usize = SIGNATURES_MAX - 1;
/// Largest integer in a document: 2^53 - 1, so that every JSON reader sees the same number.
pub const INTEGER_MAX: i64 = 9_007_199_254_740_991;
/// Longest canonical profile document, in bytes: it must fit into the record that publishes it.
pub const PROFILE_BYTES_MAX: usize = 28 * 1024;
/// Most kinds of one profile.
pub const PROFILE_KINDS_MAX: usize = 32;
/// Most rules, and most counts, of one kind.
pub const KIND_RULES_MAX: usize = 16;
/// Deepest nesting of a profile's fields; the data itself is level 1.
pub const FIELD_DEPTH_MAX: usize = 5;
/// Most revisions of one object: undoing one reads them all.
pub const OBJECT_REVISIONS_MAX: u32 = 1000;
/// Days after which a key that governance alone added begins to count.
pub const RECOVERY_DAYS: u64 = 7;
/// Days between `occurred` and admission after which a record is flagged as late.
pub const LATE_DAYS: i64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn largest_record_with_all_signatures_fits_an_entry() {
        let signature_bytes = JWS_HEADER_BYTES_MAX * 4 / 3 + 2 + 86 + 3;
        let envelope_bytes = 200;
        assert!(
            RECORD_BYTES_MAX + SIGNATURES_MAX * signature_bytes + envelope_bytes <= ENTRY_BYTES_MAX
        );
        assert!(ENTRY_BYTES_MAX < usize::from(u16::MAX));
    }
}
