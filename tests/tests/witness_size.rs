//! A witness is small enough that a stranger reads all of it.

use std::path::Path;

#[test]
fn the_witness_has_at_most_1500_lines_of_code() {
    let folder = e2e::programs::repository().join("witness/src");
    let lines = lines_below(&folder);
    assert!(lines > 1_000, "counted {lines} lines only");
    assert!(
        lines <= 1_500,
        "witness/src has {lines} lines of code; what is shared belongs elsewhere"
    );
}

/// Lines that are neither empty nor comments, without tests.
fn lines_below(folder: &Path) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        if path.is_dir() {
            count += lines_below(&path);
            continue;
        }
        if matches!(name.as_str(), "tests.rs" | "test_log.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let product = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
        count += product.lines().filter(is_code).count();
    }
    count
}
