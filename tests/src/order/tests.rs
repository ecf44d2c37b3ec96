use super::*;

/// One round as it should be, one call a line, cut to what matters.
const SERVER: [&str; 12] = [
    r#"1 recvfrom(31<TCP:[s->c]>, "POST /v1/records HTTP/1.1\r\n\r\nGB-LAE-DEV/payment/7", 99, 0, NULL, NULL) = 99"#,
    r#"2 write(15</d/db/000018.log>, "\1\0GB-LAE-DEV/payment/7", 900) = 900"#,
    "2 fdatasync(15</d/db/000018.log>) = 0",
    r#"3 write(30</d/.anchor.tmp>, "{\n  \"size\": 5,\n", 300) = 300"#,
    "3 fsync(30</d/.anchor.tmp>) = 0",
    r#"3 rename("/d/.anchor.tmp", "/d/anchor") = 0"#,
    "3 fsync(30</d>) = 0",
    r#"4 writev(26<TCP:[s->w]>, [{iov_base="POST /add-checkpoint HTTP/1.1\r\n"}, {iov_base="old 4\n\nlog.example/t\n5\nabc\n"}], 2) = 500"#,
    r#"3 write(15</d/db/000018.log>, "\2\0log.example/t\n5\nabc\n", 700) = 700"#,
    "3 fdatasync(15</d/db/000018.log>) = 0",
    r#"4 writev(31<TCP:[s->c]>, [{iov_base="HTTP/1.1 200 OK\r\n"}, {iov_base="published"}], 2) = 900"#,
    r#"4 writev(32<TCP:[s->r]>, [{iov_base="HTTP/1.1 200 OK\r\n"}, {iov_base="log.example/t\n5\nabc\n"}], 2) = 900"#,
];

const ROUND: Round<'static> =
    Round { origin: "log.example/t", object: "GB-LAE-DEV/payment/7", size: 5 };

fn published(lines: &[&str]) -> Result<usize, String> {
    let trace = Trace::parse(&format!("{}\n", lines.join("\n")));
    Order::of_publication(&trace, &ROUND).map(|order| order.steps().len())
}

/// The lines with one of them moved.
fn moved(lines: &[&'static str], from: usize, to: usize) -> Vec<&'static str> {
    let mut lines = lines.to_vec();
    let line = lines.remove(from);
    lines.insert(to, line);
    lines
}

#[test]
fn accepts_a_round_whose_every_step_waits_for_the_one_before() {
    assert_eq!(published(&SERVER), Ok(11));
    let trace = Trace::parse(&SERVER.join("\n"));
    let order = Order::of_publication(&trace, &ROUND).expect("in order");
    let expected =
        ["fdatasync write-ahead log", "fsync .anchor.tmp", "fsync d", "fdatasync write-ahead log"];
    assert_eq!(order.syncs(&trace), expected);
}

#[test]
fn finds_every_step_that_comes_before_the_one_it_must_wait_for() {
    let cases = [
        ("anchored before the entry is on the disk", 2, 3),
        ("signature sent before the entry is on the disk", 2, 7),
        ("anchor renamed before its content is on the disk", 4, 5),
        ("signature sent before the anchor has its name", 5, 7),
        ("signature sent before the anchor's name is on the disk", 6, 7),
        ("answered before the published note is on the disk", 9, 10),
        ("checkpoint shown before the published note is on the disk", 11, 9),
        ("answered at once", 10, 1),
    ];
    for (name, from, to) in cases {
        let error = published(&moved(&SERVER, from, to)).expect_err(name);
        println!("{name}: {error}");
    }
}

#[test]
fn finds_a_step_that_is_missing_or_that_failed() {
    for (lost, line) in SERVER.iter().enumerate() {
        let mut lines = SERVER.to_vec();
        lines.remove(lost);
        published(&lines).expect_err(line);
    }
    for failed in [2, 4, 5, 6, 9] {
        let mut lines: Vec<String> = SERVER.map(str::to_owned).to_vec();
        lines[failed] = lines[failed].replace(" = 0", " = -1 EIO (Input/output error)");
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        published(&lines).expect_err(SERVER[failed]);
    }
}

#[test]
fn a_sync_that_ends_after_the_answer_began_is_too_late() {
    let mut lines = SERVER.to_vec();
    lines[9] = "3 fdatasync(15</d/db/000018.log> <unfinished ...>";
    lines.insert(11, "3 <... fdatasync resumed>) = 0");
    let error = published(&lines).expect_err("it was still under way");
    assert!(error.contains("the first byte of the answer"), "{error}");
    // A sync that began before the write says nothing about it.
    let mut lines = SERVER.to_vec();
    lines[2] = "9 <... fdatasync resumed>) = 0";
    lines.insert(1, "9 fdatasync(15</d/db/000018.log> <unfinished ...>");
    published(&lines).expect_err("it does not cover the write");
}

#[test]
fn a_cosignature_waits_for_the_state_and_its_name() {
    let witness = [
        r#"1 recvfrom(12<TCP:[w->l]>, "POST /add-checkpoint HTTP/1.1\r\n\r\nold 4\n\nlog.example/t\n5\nabc\n", 99, 0, NULL, NULL) = 99"#,
        r#"2 write(13</w/state/.36.tmp>, "civiclog-witness state v1\nk\nlog.example/t\n5\nabc\n", 400) = 400"#,
        "2 fsync(13</w/state/.36.tmp>) = 0",
        r#"2 rename("/w/state/.36.tmp", "/w/state/36") = 0"#,
        "2 fsync(13</w/state>) = 0",
        r#"1 writev(12<TCP:[w->l]>, [{iov_base="HTTP/1.1 200 OK\r\n"}], 1) = 118"#,
    ];
    let cosigned = |lines: &[&str]| {
        let trace = Trace::parse(&lines.join("\n"));
        Order::of_cosignature(&trace, "log.example/t", 5).map(|order| order.steps().len())
    };
    assert_eq!(cosigned(&witness), Ok(6));
    for (from, to) in [(5, 4), (5, 3), (5, 2), (5, 1), (2, 3), (4, 3)] {
        cosigned(&moved(&witness, from, to)).expect_err("out of order");
    }
    for lost in 0..witness.len() {
        let mut lines = witness.to_vec();
        lines.remove(lost);
        cosigned(&lines).expect_err(witness[lost]);
    }
}
