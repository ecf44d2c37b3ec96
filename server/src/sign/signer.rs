//! Where the log's private keys live. Nothing else holds them, and they sign nothing but a head
//! that is [`Anchored`], and the RFC 6962 form of a head that has its quorum.
//!
//! Signing before the gate does not compile:
//!
//! ```compile_fail
//! fn sign_at_once(signer: &civiclog_server::sign::signer::LogSigner, head: tlog::TreeHead) {
//!     // A tree head is not an anchored one, and only the anchor makes those.
//!     signer.sign(civiclog_server::sign::anchor::Anchored { head });
//! }
//! ```

use tlog::{
    Checkpoint, CosignedCheckpoint, Ed25519Signer, Note, NoteError, Origin, Rfc6962Signer,
    SignedCheckpoint, UnixMillis, VerifierKey,
};

use crate::sign::anchor::Anchored;
use crate::sign::keys::LogKeys;

/// The log's signers.
pub struct LogSigner {
    origin: Origin,
    ed25519: Ed25519Signer,
    p256: Rfc6962Signer,
    ed25519_key: VerifierKey,
    p256_key: VerifierKey,
}

impl LogSigner {
    /// Takes the keys in. They do not come out again.
    pub fn new(origin: Origin, keys: LogKeys) -> Self {
        let [ed25519_key, p256_key] = keys.verifier_keys();
        Self { origin, ed25519: keys.ed25519, p256: keys.p256, ed25519_key, p256_key }
    }

    /// Signs an anchored head with Ed25519. The same head always gives the same bytes.
    ///
    /// Spec: c2sp.org/tlog-checkpoint.
    #[expect(clippy::needless_pass_by_value, reason = "one anchoring allows one signature")]
    pub fn sign(&self, anchored: Anchored) -> SignedCheckpoint {
        let checkpoint = Checkpoint::new(self.origin.clone(), anchored.head());
        let text = checkpoint.to_text();
        let signature = self.ed25519.sign(&text);
        let note = Note::new(text, vec![signature]).expect("a checkpoint's text is a note's text");
        SignedCheckpoint::open(note, std::slice::from_ref(&self.ed25519_key))
            .expect("our own signature verifies under our own key")
    }

    /// Adds the RFC 6962 tree head signature to a head that its witnesses cosigned.
    ///
    /// Spec: RFC 6962 §3.5; note signature type 0x05.
    pub fn sign_tree_head(
        &self,
        cosigned: &CosignedCheckpoint,
        at: UnixMillis,
    ) -> Result<Note, NoteError> {
        let mut note = cosigned.note().clone();
        note.push(self.p256.sign(cosigned.checkpoint(), at))?;
        Ok(note)
    }

    /// The public halves: Ed25519 first, then P-256.
    pub fn verifier_keys(&self) -> [VerifierKey; 2] {
        [self.ed25519_key.clone(), self.p256_key.clone()]
    }

    /// The public half of the key that signs the RFC 6962 form.
    pub fn tree_head_key(&self) -> &VerifierKey {
        &self.p256_key
    }
}
