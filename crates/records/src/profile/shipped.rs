//! The profiles that engine version 1 carries, so that every log has them from its first entry.
//!
//! Their bytes are part of the engine version: a test pins their hashes. Whoever wants other rules
//! publishes a document under another name or the next version.

use std::sync::LazyLock;

use super::document::Profile;

/// The documents, as people read them.
pub const DOCUMENTS: &[(&str, &str)] = &[
    ("contract/1", include_str!("../../profiles/contract-1.json")),
    ("delivery/1", include_str!("../../profiles/delivery-1.json")),
    ("procurement/1", include_str!("../../profiles/procurement-1.json")),
    ("spending/1", include_str!("../../profiles/spending-1.json")),
];

/// A shipped profile; `None` when there is none of this name and version.
pub fn shipped(id: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.id() == id)
}

/// All shipped profiles.
pub fn all() -> &'static [Profile] {
    &PROFILES
}

/// A document that does not parse would be missing here; the tests parse each by itself.
static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| {
    DOCUMENTS.iter().filter_map(|(_, text)| Profile::parse(text.as_bytes()).ok()).collect()
});
