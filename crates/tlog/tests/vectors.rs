//! Vectors made by other implementations; where they come from is in `tests/vectors/README.md`.

use p256::ecdsa::signature::Signer as _;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tlog::{
    AddCheckpoint, BundleCoord, Checkpoint, CosignatureSigner, Ed25519Signer, Frontier, Hash,
    KeyId, KeyType, LeafIndex, MlDsaSigner, Note, NoteSignature, Policy, Rfc6962Signer, SignedAt,
    SignedCheckpoint, TileMap, TilePath, TileReader, TlogProof, TreeHead, TreeHeadSignature,
    TreeSize, UnixMillis, UnixSeconds, VerifierKey, VerifyError, cosigned_message, encode_bundle,
    leaf_hash, parse_bundle, prove_consistency, prove_inclusion, root_from_tiles,
    tree_head_signature_input, verify, verify_consistency, verify_inclusion,
};

const LOG: &str = "log.example/gov";
const WITNESS: &str = "witness.example/w1";
const AT: UnixSeconds = UnixSeconds::new(1_700_000_000);
const AT_MILLIS: UnixMillis = UnixMillis::new(1_700_000_000_000);
/// RFC 6979 A.2.5.
const P256_SCALAR: &str = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/tlog-vectors.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(text(value)).unwrap()
}

fn hash(value: &Value) -> Hash {
    Hash::from_slice(&bytes(value)).unwrap()
}

fn hashes(value: &Value) -> Vec<Hash> {
    value.as_array().unwrap().iter().map(hash).collect()
}

fn size(value: &Value) -> TreeSize {
    TreeSize::new(value.as_u64().unwrap())
}

fn log_ed25519() -> Ed25519Signer {
    Ed25519Signer::new(LOG.parse().unwrap(), [1; 32])
}

fn witness() -> CosignatureSigner {
    CosignatureSigner::new(WITNESS.parse().unwrap(), [3; 32])
}

fn ml_dsa(name: &str, seed: u8) -> MlDsaSigner {
    MlDsaSigner::new(name.parse().unwrap(), [seed; 32]).unwrap()
}

fn p256_scalar() -> [u8; 32] {
    hex::decode(P256_SCALAR).unwrap().try_into().unwrap()
}

fn log_rfc6962() -> Rfc6962Signer {
    Rfc6962Signer::new(LOG.parse().unwrap(), p256_scalar()).unwrap()
}

fn entries(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|index| format!("entry {index}").into_bytes()).collect()
}

fn tree(count: u64) -> (TreeHead, TileMap) {
    let leaves: Vec<Hash> = entries(count).iter().map(|entry| leaf_hash(entry)).collect();
    let integration = Frontier::empty().integrate(&leaves);
    let mut tiles = TileMap::new();
    for changed in integration.tiles() {
        tiles.insert_changed(changed);
    }
    (integration.head(), tiles)
}

#[test]
fn keys_of_all_types_read_and_print() {
    let vectors = vectors();
    let keys = vectors["keys"].as_object().unwrap();
    assert_eq!(keys.len(), 6);
    for (what, row) in keys {
        let key: VerifierKey = text(&row["vkey"]).parse().unwrap();
        assert_eq!(key.to_string(), text(&row["vkey"]), "{what}");
        assert_eq!(key.name().as_str(), text(&row["name"]));
        assert_eq!(key.id(), KeyId::new(bytes(&row["key_id_hex"]).try_into().unwrap()));
        let key_type = match text(&row["type"]) {
            "0x01" => Some(KeyType::Ed25519),
            "0x02" => Some(KeyType::Ecdsa),
            "0x04" => Some(KeyType::CosignatureV1),
            "0x05" => Some(KeyType::Rfc6962),
            "0x06" => Some(KeyType::MlDsa44),
            other => panic!("{other}"),
        };
        assert_eq!(key.key_type(), key_type, "{what}");
    }
    let vkey = |what: &str| text(&keys[what]["vkey"]).parse::<VerifierKey>().unwrap();
    assert_eq!(log_ed25519().verifier_key(), vkey("log_ed25519_0x01_seed_01x32"));
    assert_eq!(witness().verifier_key(), vkey("witness_ed25519_0x04_seed_03x32"));
    assert_eq!(log_rfc6962().verifier_key(), vkey("log_p256_0x05_rfc6962_same_key"));
    assert_eq!(ml_dsa(LOG, 2).verifier_key(), vkey("log_mldsa44_0x06_seed_02x32"));
    assert_eq!(ml_dsa(WITNESS, 4).verifier_key(), vkey("witness_mldsa44_0x06_seed_04x32"));
}

#[test]
fn every_signed_note_opens_and_is_signed_again_to_the_same_bytes() {
    let vectors = vectors();
    let keys = vectors["keys"].as_object().unwrap();
    let keys: Vec<VerifierKey> =
        keys.values().map(|row| text(&row["vkey"]).parse().unwrap()).collect();
    let log_keys: Vec<VerifierKey> =
        keys.iter().filter(|key| key.name().as_str() == LOG).cloned().collect();
    assert_eq!(log_keys.len(), 4);
    let ecdsa_key = keys.iter().find(|key| key.key_type() == Some(KeyType::Ecdsa)).unwrap();
    let rows = vectors["checkpoints"].as_array().unwrap();
    assert_eq!(rows.len(), 7);
    for row in rows {
        let (body, root) = (text(&row["body"]), hash(&row["root_hex"]));
        let checkpoint = Checkpoint::parse(body).unwrap();
        assert_eq!(checkpoint.to_text(), body);
        assert_eq!(checkpoint.head, TreeHead { size: size(&row["size"]), root });
        assert_eq!(cosigned_message(body, AT), text(&row["cosignature_v1_message"]).as_bytes());
        assert_eq!(
            tree_head_signature_input(&checkpoint.head, AT_MILLIS),
            bytes(&row["tree_head_signature_input_hex"])
        );

        let ed25519 = log_ed25519().sign(body);
        assert_eq!(ed25519.bytes, bytes(&row["ed25519_0x01_sig_hex"]));
        let cosignature = witness().sign(body, AT);
        assert_eq!(cosignature.bytes, bytes(&row["cosignature_0x04_blob_hex"]));
        let rfc6962 = log_rfc6962().sign(&checkpoint, AT_MILLIS);
        assert_eq!(rfc6962.bytes, bytes(&row["rfc6962_note_sig_0x05_hex"]));
        let ecdsa = sign_ecdsa(ecdsa_key, body);
        assert_eq!(ecdsa.bytes, bytes(&row["ecdsa_0x02_sig_der_hex"]));
        assert_eq!(Sha256::digest(body).as_slice(), bytes(&row["ecdsa_0x02_signed_digest_hex"]));

        let note = Note::parse(text(&row["signed_note"]).as_bytes()).unwrap();
        assert_eq!(note.to_string(), text(&row["signed_note"]));
        assert_eq!(note.text(), body);
        let log_ml_dsa = ml_dsa(LOG, 2).sign(&checkpoint, AT).unwrap();
        let ml_dsa = ml_dsa(WITNESS, 4).sign(&checkpoint, AT).unwrap();
        for line in [&ed25519, &cosignature, &rfc6962, &ecdsa, &log_ml_dsa, &ml_dsa] {
            assert!(note.signatures().contains(line), "{line}");
        }
        for key in &keys {
            assert!(matches!(key.verify_note(&note), Ok(Some(_))), "{key}");
        }
        assert_eq!(witness().verifier_key().verify_note(&note), Ok(Some(SignedAt::Seconds(AT))));
        let sth = TreeHeadSignature::from_note_signature(&rfc6962).unwrap();
        assert_eq!(sth.at(), AT_MILLIS);
        assert_eq!(sth.digitally_signed(), rfc6962.bytes[8..]);
        for line in note.signatures() {
            assert_eq!(NoteSignature::parse_line(&line.to_string()).as_ref(), Ok(line));
        }
        let signed = SignedCheckpoint::open(note, &log_keys).unwrap();
        assert_eq!(signed.checkpoint(), &checkpoint);
    }
}

fn sign_ecdsa(key: &VerifierKey, body: &str) -> NoteSignature {
    let secret = p256::ecdsa::SigningKey::from_slice(&p256_scalar()).unwrap();
    let signature: p256::ecdsa::DerSignature = secret.sign(body.as_bytes());
    NoteSignature { name: key.name().clone(), id: key.id(), bytes: signature.as_bytes().to_vec() }
}

#[test]
fn every_tree_has_the_root_of_its_checkpoint() {
    for row in vectors()["checkpoints"].as_array().unwrap() {
        let (head, tiles) = tree(row["size"].as_u64().unwrap());
        assert_eq!(head.root, hash(&row["root_hex"]));
        assert_eq!(root_from_tiles(head.size, &tiles), Ok(head.root));
    }
}

#[test]
fn every_tile_and_bundle_has_its_bytes() {
    let vectors = vectors();
    let mut checked = 0;
    for (count, paths) in vectors["tiles"].as_object().unwrap() {
        let count: u64 = count.parse().unwrap();
        let (_, tiles) = tree(count);
        let entries = entries(count);
        for (path, row) in paths.as_object().unwrap() {
            let content = match TilePath::parse(path).unwrap() {
                TilePath::Hash(coord) => tiles.read_tile(coord).unwrap().to_bytes(),
                TilePath::Entries(coord) => bundle(&entries, coord),
            };
            assert_eq!(content.len() as u64, row["len"].as_u64().unwrap(), "{path}");
            assert_eq!(Sha256::digest(&content).as_slice(), bytes(&row["sha256"]), "{path}");
            checked += 1;
        }
    }
    assert_eq!(checked, 21);
}

fn bundle(entries: &[Vec<u8>], coord: BundleCoord) -> Vec<u8> {
    let first = usize::try_from(coord.first_index().get()).unwrap();
    let held = &entries[first..first + usize::from(coord.width())];
    let content = encode_bundle(held.iter().map(Vec::as_slice)).unwrap();
    assert_eq!(parse_bundle(&content, coord.width()).unwrap(), held);
    content
}

#[test]
fn every_inclusion_proof_is_made_and_verifies() {
    let (_, tiles) = tree(70_000);
    let vectors = vectors();
    for row in vectors["inclusion"].as_array().unwrap() {
        let index = LeafIndex::new(row["index"].as_u64().unwrap());
        let head = TreeHead { size: size(&row["size"]), root: hash(&row["root"]) };
        let leaf = leaf_hash(format!("entry {index}").as_bytes());
        let proof = hashes(&row["proof"]);
        assert_eq!(leaf, hash(&row["leaf_hash"]));
        assert_eq!(prove_inclusion(index, head.size, &tiles), Ok(proof.clone()));
        assert_eq!(verify_inclusion(&leaf, index, &head, &proof), Ok(()));
    }
}

#[test]
fn every_consistency_proof_is_made_and_verifies() {
    let (_, tiles) = tree(70_000);
    let vectors = vectors();
    for row in vectors["consistency"].as_array().unwrap() {
        let from = TreeHead { size: size(&row["size1"]), root: hash(&row["root1"]) };
        let to = TreeHead { size: size(&row["size2"]), root: hash(&row["root2"]) };
        let proof = hashes(&row["proof"]);
        assert_eq!(prove_consistency(from.size, to.size, &tiles), Ok(proof.clone()));
        assert_eq!(verify_consistency(&from, &to, &proof), Ok(()));
    }
}

#[test]
fn the_proof_file_verifies_from_end_to_end() {
    let vectors = vectors();
    let file = text(&vectors["tlog_proof_index_12345_size_70000"]);
    let proof = TlogProof::parse(file.as_bytes()).unwrap();
    assert_eq!(proof.encode(), file);
    assert_eq!(proof.index, LeafIndex::new(12345));
    let policy = format!(
        "log {}\nwitness w1 {}\nquorum w1\n",
        log_ed25519().verifier_key(),
        witness().verifier_key()
    );
    let policy = Policy::parse(&policy).unwrap();
    let verified = verify(&proof, Some(b"entry 12345"), &policy).unwrap();
    assert_eq!(verified.checkpoint().head().size, TreeSize::new(70_000));
    assert_eq!(verified.checkpoint().cosigners()[0].at, AT);
    assert!(matches!(verify(&proof, None, &policy), Err(VerifyError::Inclusion(_))));
}

#[test]
fn the_request_to_a_witness_reads_and_writes() {
    let vectors = vectors();
    let body = text(&vectors["add_checkpoint_body_257_to_70000"]);
    let request = AddCheckpoint::parse(body.as_bytes()).unwrap();
    assert_eq!(request.encode(), body.as_bytes());
    let (from, _) = tree(257);
    assert_eq!(request.old_size, from.size);
    let signed =
        SignedCheckpoint::open(request.checkpoint, &[log_ed25519().verifier_key()]).unwrap();
    assert_eq!(verify_consistency(&from, &signed.head(), &request.consistency_proof), Ok(()));
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InclusionCase {
    name: String,
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[test]
fn foreign_inclusion_cases_are_judged_right() {
    let Some(cases) = foreign_cases::<InclusionCase>("merkle-inclusion.json") else { return };
    for case in &cases {
        let judged = (|| {
            let head = TreeHead {
                size: TreeSize::new(case.tree_size),
                root: Hash::from_base64(&case.root).ok()?,
            };
            let leaf = Hash::from_base64(&case.leaf_hash).ok()?;
            let proof = foreign_proof(case.proof.as_deref())?;
            verify_inclusion(&leaf, LeafIndex::new(case.leaf_idx), &head, &proof).ok()
        })();
        assert_eq!(judged.is_none(), case.want_err, "{}", case.name);
    }
    assert_eq!(cases.len(), 98);
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConsistencyCase {
    name: String,
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    want_err: bool,
}

#[test]
fn foreign_consistency_cases_are_judged_right() {
    let Some(cases) = foreign_cases::<ConsistencyCase>("merkle-consistency.json") else { return };
    for case in &cases {
        let from = TreeHead { size: TreeSize::new(case.size1), root: foreign_root(&case.root1) };
        let to = TreeHead { size: TreeSize::new(case.size2), root: foreign_root(&case.root2) };
        let judged = foreign_proof(case.proof.as_deref())
            .is_some_and(|proof| verify_consistency(&from, &to, &proof).is_ok());
        // That library refuses to compare with the empty tree; to a witness every tree extends it.
        let extends_empty = from == TreeHead::EMPTY
            && to.size > TreeSize::ZERO
            && case.proof.as_deref().unwrap_or_default().is_empty();
        assert_eq!(judged, !case.want_err || extends_empty, "{}", case.name);
    }
    assert_eq!(cases.len(), 98);
}

/// Some cases have short texts as roots, where only their being equal or not matters.
fn foreign_root(text: &str) -> Hash {
    Hash::from_base64(text).unwrap_or_else(|_| leaf_hash(text.as_bytes()))
}

fn foreign_proof(proof: Option<&[String]>) -> Option<Vec<Hash>> {
    proof.unwrap_or_default().iter().map(|hash| Hash::from_base64(hash).ok()).collect()
}

/// Cases of transparency-dev/merkle, kept beside the project, not in it.
#[expect(clippy::print_stdout, reason = "a test that was skipped says so")]
fn foreign_cases<T: serde::de::DeserializeOwned>(file: &str) -> Option<Vec<T>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let path = std::path::Path::new(folder).join(file);
    if let Ok(content) = std::fs::read(&path) {
        return Some(serde_json::from_slice(&content).unwrap());
    }
    println!("skipped: {file} is not there");
    None
}
