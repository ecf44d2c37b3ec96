//! A disk that fills up: records are turned away before it is full, everything else goes on, and it
//! is over when there is room again.

use std::fs::File;
use std::path::Path;

use e2e::{LogOptions, TestLog, wait};
use rustix::fs::{FallocateFlags, fallocate};
use serde_json::Value as Json;
use service::{FileSystems, FreeSpace as _};

#[test]
fn records_are_turned_away_before_the_disk_is_full_and_taken_again_when_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder on the disk of the tests");
    let free = FileSystems.free_bytes(folder.path()).expect("the room on it");
    // Wide distances to both marks: other programs use this disk too.
    let limits = format!("disk_free_bytes_min = {}\n", free / 4 * 3);
    let (mut log, treasury) = TestLog::start_with(LogOptions { limits, ..LogOptions::default() });
    log.http().post("/v1/records", JSON, treasury.payment_bytes(1)).expect_status(200);
    let before = log.reader().checkpoint().head();

    let filler = fill(folder.path(), free / 8 * 3);
    let refused = wait::until("a record is turned away", || {
        let answer = log.http().post("/v1/records", JSON, treasury.payment_bytes(1));
        (answer.status == 503).then_some(answer)
    });
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|it| it >= 1));
    let detail = refused.json()["detail"].as_str().expect("words").to_owned();
    assert!(detail.contains("disk is almost full"), "{detail}");
    let data = log.data_path().display().to_string();
    assert!(!detail.contains(&data), "paths are for the operator: {detail}");
    let ready = log.admin().get("/readyz").expect_status(503).text();
    assert!(ready.contains(&data) && ready.contains("bytes free"), "{ready}");
    assert!(disk_free(&log, "database") > 0 && disk_free(&log, "anchor") > 0);

    // Readers and witnesses notice nothing, and a restart does not change it.
    assert_eq!(log.reader().checkpoint().head(), before);
    assert_eq!(log.stop_server(), Some(0));
    log.start_server_unready();
    wait::until("the reason is the disk, not the start", || {
        log.admin().get("/readyz").text().contains("bytes free").then_some(())
    });
    log.http().get("/v1/records/1").expect_status(200);

    std::fs::remove_file(filler).expect("making room");
    let answer = wait::until("records are taken again", || {
        let answer = log.http().post("/v1/records", JSON, treasury.payment_bytes(2));
        (answer.status == 200).then(|| answer.json())
    });
    assert_eq!(answer["duplicate"], Json::from(false));
    log.admin().get("/readyz").expect_status(200);
    assert_eq!(log.stop_server(), Some(0));
    log.audit();
}

/// Takes room without writing it.
fn fill(folder: &Path, bytes: u64) -> std::path::PathBuf {
    let path = folder.join("filler");
    let file = File::create(&path).expect("making a file");
    fallocate(&file, FallocateFlags::empty(), 0, bytes).expect("taking room");
    path
}

fn disk_free(log: &TestLog, folder: &str) -> u64 {
    let name = format!("civiclog_server_disk_free_bytes{{folder=\"{folder}\"}} ");
    let metrics = log.admin().get("/metrics").text();
    let line = metrics.lines().find_map(|it| it.strip_prefix(&name)).unwrap_or_default();
    line.parse().unwrap_or_else(|_| panic!("no metric of {folder}: {metrics}"))
}

const JSON: &str = "application/json";
