//! A log that lies: two heads of one size, a rollback, another history for each witness. No witness
//! signs both, the evidence is written, and it convinces whoever reads it, but only unaltered.

use std::path::PathBuf;

use e2e::witness::{Witness, own_host};
use e2e::{Http, process, programs};
use testlog::ForgedLog;
use tlog::Evidence;

const ORIGIN: &str = "log.example/forger";
const SEED: [u8; 32] = [3; 32];
const LEAVES: u64 = 9;

struct Scene {
    folder: tempfile::TempDir,
    honest: ForgedLog,
    fork: ForgedLog,
}

impl Scene {
    fn new() -> Self {
        let honest = ForgedLog::new(ORIGIN, SEED, LEAVES);
        let fork = ForgedLog::forked(ORIGIN, SEED, LEAVES, 2);
        Self { folder: tempfile::tempdir().expect("a folder"), honest, fork }
    }

    fn witness(&self, name: &str) -> Witness {
        let mut witness = Witness::init(&self.folder.path().join(name), name, own_host(), 20_000);
        witness.watch(&[&self.honest.vkey().to_string()]);
        witness.start();
        witness
    }

    /// Runs `civiclog evidence verify` over these bytes, under a policy that names the log.
    fn verify(&self, bytes: &[u8]) -> process::Finished {
        let (file, policy) = (self.folder.path().join("seen"), self.folder.path().join("policy"));
        std::fs::write(&file, bytes).expect("writing");
        let cosigner =
            tlog::CosignatureSigner::new("w.example/1".parse().expect("a name"), [8; 32]);
        let words = format!(
            "log {}\nwitness w {}\ngroup g all w\nquorum g\n",
            self.honest.vkey(),
            cosigner.verifier_key()
        );
        std::fs::write(&policy, words).expect("writing");
        let mut command = programs::command(programs::CLI);
        command.args(["evidence", "verify"]).arg(&file).arg("--policy").arg(&policy);
        process::finish(command)
    }
}

fn ask(witness: &Witness, body: Vec<u8>) -> u16 {
    Http::new(&witness.url()).post("/add-checkpoint", "text/plain", body).status
}

fn evidence_of(witness: &Witness) -> Vec<PathBuf> {
    let Ok(files) = std::fs::read_dir(witness.state_folder().join("evidence")) else {
        return Vec::new();
    };
    files.map(|file| file.expect("an entry").path()).collect()
}

#[test]
fn two_heads_of_one_size_end_in_evidence_that_convinces_unaltered_only() {
    let scene = Scene::new();
    let witness = scene.witness("w1");
    assert_eq!(ask(&witness, scene.honest.request(0, 5)), 200);
    assert_eq!(evidence_of(&witness), Vec::<PathBuf>::new());
    assert_eq!(ask(&witness, scene.fork.request(5, 5)), 422);
    let files = evidence_of(&witness);
    assert_eq!(files.len(), 1, "{files:?}");
    let bytes = std::fs::read(&files[0]).expect("reading");
    let said = scene.verify(&bytes).expect_success("evidence verify").stdout;
    assert!(said.contains("PROVEN") && said.contains("5 entries"), "{said}");

    let text = String::from_utf8(bytes.clone()).expect("UTF-8");
    let root = scene.fork.head(5).root.to_string();
    let other = scene.fork.head(6).root.to_string();
    let honest = scene.honest.head(5).root.to_string();
    for doctored in [
        text.replace(&root, &other),
        text.replace(&root, &honest),
        text.replace("\n5\n", "\n6\n"),
        text.replace(ORIGIN, "log.example/victim"),
        text.replace("one size, two roots", "the earlier tree is not in the later"),
        text.chars().take(text.chars().count() / 2).collect(),
        scene.honest.note(5).to_string(),
    ] {
        assert_ne!(doctored, text);
        scene.verify(doctored.as_bytes()).expect_code(1, "a doctored file");
    }

    // Again, and after a restart: the same file, as it was.
    assert_eq!(ask(&witness, scene.fork.request(5, 5)), 422);
    let mut witness = witness;
    witness.stop();
    witness.start();
    assert_eq!(ask(&witness, scene.fork.request(5, 5)), 422);
    assert_eq!(evidence_of(&witness), files);
    assert_eq!(std::fs::read(&files[0]).expect("reading"), bytes);
    assert!(witness.stderr().contains("THE LOG SIGNED WHAT CANNOT BE TRUE"));
    // The honest history goes on.
    assert_eq!(ask(&witness, scene.honest.request(5, 9)), 200);
}

#[test]
fn growth_from_another_history_ends_in_evidence_too() {
    let scene = Scene::new();
    let witness = scene.witness("w1");
    assert_eq!(ask(&witness, scene.honest.request(0, 5)), 200);
    assert_eq!(ask(&witness, scene.fork.request(5, 9)), 422);
    let files = evidence_of(&witness);
    assert_eq!(files.len(), 1, "{files:?}");
    let bytes = std::fs::read(&files[0]).expect("reading");
    let said = scene.verify(&bytes).expect_success("evidence verify").stdout;
    assert!(said.contains("whose first 5"), "{said}");
}

#[test]
fn a_rollback_is_refused_and_accuses_nobody() {
    let scene = Scene::new();
    let witness = scene.witness("w1");
    assert_eq!(ask(&witness, scene.honest.request(0, 9)), 200);
    assert_eq!(ask(&witness, scene.honest.request(0, 5)), 409);
    assert_eq!(ask(&witness, scene.honest.request(5, 5)), 409);
    assert_eq!(ask(&witness, scene.honest.request(9, 9)), 200);
    // The old head is still true: it proves nothing.
    assert_eq!(evidence_of(&witness), Vec::<PathBuf>::new());
}

#[test]
fn another_history_for_each_witness_is_proven_by_what_the_two_show() {
    let scene = Scene::new();
    let (first, second) = (scene.witness("w1"), scene.witness("w2"));
    assert_eq!(ask(&first, scene.honest.request(0, 5)), 200);
    assert_eq!(ask(&second, scene.fork.request(0, 5)), 200);
    // Each is honest, and neither can be brought to sign the other's.
    assert_eq!(ask(&first, scene.fork.request(5, 5)), 422);
    assert_eq!(ask(&second, scene.honest.request(5, 5)), 422);
    // Whoever compares what both show has the proof, with the cosignatures in it.
    let path = format!("/{}/checkpoint", scene.honest.origin().sha256_hex());
    let shown = [&first, &second].map(|witness| {
        let answer = Http::new(&witness.url()).get(&path).expect_status(200);
        tlog::Note::parse(&answer.body).expect("a note")
    });
    let keys = [scene.honest.vkey()];
    let evidence = Evidence::find(&keys, &shown[0], &shown[1], &[]).expect("a contradiction");
    scene.verify(evidence.to_string().as_bytes()).expect_success("evidence verify");
    for witness in [&first, &second] {
        let files = evidence_of(witness);
        assert_eq!(files.len(), 1, "{files:?}");
        let bytes = std::fs::read(&files[0]).expect("reading");
        scene.verify(&bytes).expect_success("evidence verify");
    }
}
