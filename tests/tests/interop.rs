//! The Go implementations that the world runs, as real processes, on both sides of ours:
//! litewitness, Tessera's fsck and log, golang.org/x/mod/sumdb. `tests/interop/run` builds them and
//! runs this; without Go they are left out.

use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::process::{Finished, Process, finish};
use e2e::witness::{Witness, own_host};
use e2e::{Http, LogOptions, TestLog, wait};
use tlog::{Note, SignedAt, VerifierKey};

#[test]
#[ignore = "needs the Go peers: tests/interop/run"]
fn litewitness_cosigns_our_checkpoints() {
    let Some(peers) = Peers::find() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (socket, database) = (folder.path().join("agent"), folder.path().join("lite.db"));
    let mut agent = peers.command("peers");
    agent.arg("agent").arg(&socket);
    let (_agent, said) =
        Process::start(agent, "agent", &folder.path().join("agent.log")).expect("an SSH agent");
    let address = format!("{}:20100", own_host());
    let mut lite = peers.command("litewitness");
    lite.args(["-name", "lite.example/w", "-listen", &address]);
    lite.arg("-db").arg(&database).arg("-ssh-agent").arg(&socket);
    lite.args(["-key", said["fingerprint"].as_str().expect("a fingerprint")]);
    let lite = Process::start_quietly(lite, "litewitness", &folder.path().join("lite.log"));
    let vkey = wait::until("litewitness says its key", || {
        let text = lite.stderr();
        let (_, rest) = text.split_once("vkey=")?;
        Some(rest.split_whitespace().next()?.trim_matches('"').to_owned())
    });

    let url = format!("http://{address}");
    let foreign = vec![["lite".to_owned(), vkey.clone(), url]];
    let mut log = TestLog::create(LogOptions { foreign, ..LogOptions::default() });
    peers.run("peers", &[Path::new("watch"), &database, Path::new(&log.vkeys()[0])]);
    log.start_witnesses();
    // Ready means published, and published means cosigned by litewitness too.
    log.start_server();
    let treasury = log.register("GB-LAE-DEV", records::Algorithm::Es256, 1);
    for number in 0..5 {
        let body = treasury.payment_bytes(number);
        log.http().post("/v1/records", "application/json", body).expect_status(200);
    }
    let note = log.reader().checkpoint().note().clone();
    let vkey: VerifierKey = vkey.parse().expect("a verifier key");
    assert!(matches!(vkey.verify_note(&note), Ok(Some(SignedAt::Seconds(_)))), "{note}");
    assert_eq!(log.stop_server(), Some(0));
    // A restart asks litewitness too before anything is signed again.
    log.start_server();
}

#[test]
#[ignore = "needs the Go peers: tests/interop/run"]
fn fsck_and_x_mod_find_our_log_whole() {
    let Some(peers) = Peers::find() else { return };
    let (log, treasury) = TestLog::start();
    for batch in 0..20_u64 {
        let lines: Vec<Vec<u8>> =
            (0..510).map(|row| treasury.payment_bytes(batch * 510 + row)).collect();
        let body = lines.join(&b'\n');
        log.http().post("/v1/records", "application/x-ndjson", body).expect_status(200);
    }
    let size = log.reader().checkpoint().head().size.get();
    assert!(size >= 10_000, "{size}");
    let (base, vkey) = (log.http().base().to_owned(), log.vkeys()[0].clone());

    let checked = peers.run("peers", &[Path::new("check"), Path::new(&base), Path::new(&vkey)]);
    assert!(checked.stdout.contains("entries checked with x/mod"), "{}", checked.stdout);

    let key_file = log.path("log.vkey");
    std::fs::write(&key_file, &vkey).expect("writing the key");
    // It ends with 0 whatever it found, so what it says is what counts.
    let fsck = || {
        let mut fsck = peers.command("fsck");
        fsck.arg(format!("--storage_url={base}/")).args(["--ui=false", "--N=4", "--v=1"]);
        fsck.arg(format!("--public_key={}", key_file.display()));
        finish(fsck).expect_success("fsck").stderr
    };
    let said = fsck();
    assert!(said.contains("Completed ranges") && !said.contains("fsck failed"), "{said}");
    let other = testlog::ForgedLog::new(log.origin(), [9; 32], 1).vkey();
    std::fs::write(&key_file, other.to_string()).expect("writing the key");
    let said = fsck();
    assert!(said.contains("fsck failed"), "with another key: {said}");
}

#[test]
#[ignore = "needs the Go peers: tests/interop/run"]
fn a_tessera_log_is_cosigned_by_our_witness() {
    for more in [&[][..], &["--ml-dsa"]] {
        let Some(peers) = Peers::find() else { return };
        let folder = tempfile::tempdir().expect("a folder");
        let vkey = peers.run("peers", &[Path::new("vkey")]).stdout;
        let mut witness =
            Witness::init_with(&folder.path().join("w"), "w", own_host(), 20_000, more);
        witness.watch(&[vkey.trim()]);
        witness.start();
        let policy = folder.path().join("policy");
        let text = format!(
            "log {}\nwitness ours {} {}\ngroup all-of-them all ours\nquorum all-of-them\n",
            vkey.trim(),
            witness.vkey(),
            witness.url()
        );
        std::fs::write(&policy, text).expect("writing the policy");
        let log = folder.path().join("tessera");
        let published = peers.run("peers", &[Path::new("tessera"), &log, &policy]).stdout;
        let note = Note::parse(published.as_bytes()).expect("a note");
        let own = &witness.vkeys()[0];
        assert!(matches!(own.verify_note(&note), Ok(Some(SignedAt::Seconds(_)))), "{note}");
        let origin: tlog::Origin = "log.example/tessera".parse().expect("an origin");
        let path = format!("/{}/checkpoint", origin.sha256_hex());
        let shown = Http::new(&witness.url()).get(&path).expect_status(200);
        let shown = Note::parse(&shown.body).expect("a note");
        assert_eq!(shown.text(), note.text());
        for key in witness.vkeys() {
            assert!(matches!(key.verify_note(&shown), Ok(Some(_))), "{key}");
        }
    }
}

/// The folder with the Go programs.
struct Peers(PathBuf);

impl Peers {
    #[expect(clippy::print_stdout, reason = "a run that left something out says so")]
    fn find() -> Option<Self> {
        let folder = std::env::var_os("CIVICLOG_INTEROP_BIN").map(PathBuf::from);
        if folder.is_none() {
            println!("skipped: interoperability with Go programs; run tests/interop/run");
        }
        folder.map(Self)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.0.join(program));
        // What the programs write beside their work goes nowhere else than into the test's folder.
        command.env_remove("SSH_AUTH_SOCK");
        command
    }

    fn run(&self, program: &str, arguments: &[&Path]) -> Finished {
        let mut command = self.command(program);
        command.args(arguments);
        finish(command).expect_success(program)
    }
}
