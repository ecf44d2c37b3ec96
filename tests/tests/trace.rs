//! One round under strace: nothing is said before it is on the disk.
//!
//! `cargo test -p e2e --test trace -- --nocapture` prints the trace that `docs/safety-trace.md`
//! explains.

use e2e::order::{Order, Round};
use e2e::trace::{Call, Trace, Tracing};
use e2e::under::skipped;
use e2e::{LogOptions, TestLog, wait};
use records::Algorithm;

/// Reads, writes, and everything that puts something on a disk or gives it another name.
const CALLS: &str = "read,readv,recvfrom,recvmsg,write,writev,pwrite64,pwritev,sendto,sendmsg,\
                     fsync,fdatasync,sync,syncfs,sync_file_range,rename,renameat,renameat2,\
                     link,linkat,unlink,ftruncate";
/// More than a batch of one record has.
const STRING_BYTES: usize = 8192;

#[test]
fn a_round_says_nothing_before_it_is_on_the_disk() {
    if !Tracing::is_possible() {
        return skipped("tracing a round", "there is no strace here, or it may not trace");
    }
    let mut log = TestLog::create(LogOptions::default());
    let (of_witness, under) = Tracing::new(&log.path("witness.trace"), CALLS, STRING_BYTES);
    log.witnesses[0].start_under(under);
    let (of_server, under) = Tracing::new(&log.path("server.trace"), CALLS, STRING_BYTES);
    log.start_under(under);
    log.start_witnesses();
    log.start_server();
    let treasury = log.register("GB-LAE-DEV", Algorithm::Es256, 1);
    // The first publication after a start settles the policy; from here on rounds are alike.
    let post = |path: &str, number, status| {
        let body = treasury.payment_bytes(number);
        log.http().post(path, "application/json", body).expect_status(status);
    };
    post("/v1/records", 1, 200);
    post("/v1/records?wait=committed", 2, 202);
    wait::until("the record that waited for less is published", || {
        (log.reader().checkpoint().head().size.get() == 4).then_some(())
    });
    post("/v1/records", 3, 200);
    assert_eq!(log.reader().checkpoint().head().size.get(), 5);

    let objects = [2, 3].map(|number| treasury.payment_object(number));
    let [committed, published] = [(4, &objects[0]), (5, &objects[1])].map(|(size, object)| Round {
        origin: log.origin(),
        object,
        size,
    });
    let head = format!("{}\n5\n", log.origin());
    let trace = of_server.wait_until("the round is in the trace", |trace| {
        let shown = |it: &Call| it.is_write() && it.shows("HTTP/1.1 200") && it.shows(&head);
        trace.first_from(0, shown).is_some()
    });
    let order = Order::of_commit(&trace, &committed).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(order.syncs(&trace), ["fdatasync write-ahead log"]);
    show(&log, "committed", &order);
    let order = Order::of_publication(&trace, &published).unwrap_or_else(|error| panic!("{error}"));
    // One for the entry, two for the anchor, one for the published note.
    let syncs = ["fdatasync write-ahead log", "fsync .anchor.tmp", "fsync data"];
    assert_eq!(order.syncs(&trace), [syncs[0], syncs[1], syncs[2], syncs[0]]);
    show(&log, "published", &order);

    let trace = of_witness.wait_until("the witness cosigned", |trace| is_cosigned(&log, trace));
    let order = Order::of_cosignature(&trace, log.origin(), 5).unwrap_or_else(|it| panic!("{it}"));
    let syncs = order.syncs(&trace);
    assert_eq!(syncs.len(), 2, "the state and its name: {syncs:?}");
    assert_eq!(syncs[1], "fsync state");
    show(&log, "cosigned", &order);
}

fn is_cosigned(log: &TestLog, trace: &Trace) -> bool {
    let head = format!("{}\n5\n", log.origin());
    let request = trace.first_from(0, |it| it.is_read() && it.shows(&head));
    request.is_some_and(|request| {
        let is_answer = |it: &Call| it.is_write() && it.descriptor() == request.descriptor();
        trace.first_from(request.began, is_answer).is_some()
    })
}

#[expect(clippy::print_stdout, reason = "the page of docs is made of it")]
fn show(log: &TestLog, what: &str, order: &Order<'_>) {
    let folder = format!("{}/", log.path("").display().to_string().trim_end_matches('/'));
    println!("{what}:");
    for (step, call) in order.steps() {
        let arguments: String = call.arguments.replace(&folder, "").chars().take(150).collect();
        println!("  {step}\n    {}({arguments}) = {}", call.name, call.result);
    }
}
