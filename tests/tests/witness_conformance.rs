//! Our witness, the real program over real HTTP, against the table of the specification.

use e2e::conformance::{self, Subject};
use e2e::witness::{Witness, own_host};
use e2e::{Http, process, programs};

#[test]
fn our_witness_follows_every_rule_of_the_table() {
    follows_every_rule(&[]);
}

#[test]
fn our_witness_follows_every_rule_of_the_table_with_two_keys() {
    follows_every_rule(&["--ml-dsa"]);
}

#[expect(clippy::print_stdout, reason = "which rules were held against it")]
fn follows_every_rule(more: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut witness = Witness::init_with(&folder.path().join("w"), "w", own_host(), 20_000, more);
    witness.watch(&[]);
    let list = folder.path().join("logs.txt");
    std::fs::write(&list, conformance::log_list("ours")).expect("writing a log list");
    let mut add = programs::command(programs::WITNESS);
    add.arg("add-log").arg("--config").arg(witness.config_file()).arg("--list").arg(&list);
    process::finish(add).expect_success("add-log");
    witness.start();
    let subject = Subject {
        submission: Http::new(&witness.url()),
        monitoring: Some(Http::new(&witness.url())),
        vkeys: witness.vkeys(),
        word: "ours".to_owned(),
    };
    assert_eq!(subject.vkeys.len(), 1 + more.len());
    let verdicts = conformance::run(&subject);
    let mut failures = Vec::new();
    for verdict in &verdicts {
        println!("{}: {}", verdict.section, verdict.name);
        failures.extend(verdict.failure.as_ref().map(|it| format!("{}: {it}", verdict.name)));
    }
    assert!(verdicts.len() > 50, "only {} rules", verdicts.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // It was one process all the time, and it remembers all of that.
    witness.stop();
    witness.start();
}

#[test]
fn the_suite_finds_a_witness_that_does_not_follow_the_rules() {
    // A log's own server is no witness: it must fail nearly everywhere, and nothing may panic.
    let (log, _) = e2e::TestLog::start();
    let subject = Subject {
        submission: Http::new(log.http().base()),
        monitoring: Some(Http::new(log.http().base())),
        vkeys: Vec::new(),
        word: "none".to_owned(),
    };
    let verdicts = conformance::run(&subject);
    let followed: Vec<&str> =
        verdicts.iter().filter(|it| it.failure.is_none()).map(|it| it.name).collect();
    assert!(followed.is_empty(), "{followed:?}");
}
