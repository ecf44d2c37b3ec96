//! From a committed head to a signature: the stored bytes are hashed again, the anchor is advanced,
//! and only then the key signs.

pub mod anchor;
pub mod guard;
pub mod keys;
pub(crate) mod refusal_key;
pub mod signer;
pub mod thread;
