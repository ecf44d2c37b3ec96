//! The rules of the workspace that a compiler does not check: who may depend on whom, where versions
//! live, how long files get, that RocksDB is compiled once, that the shipped samples still parse.
//!
//! Each failure names the file or the package and the rule, so that it can be mended without
//! reading this file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

#[path = "architecture/module_graph.rs"]
mod module_graph;

use module_graph::ModuleGraph;

#[test]
fn our_packages_depend_only_on_what_the_design_allows() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("tlog", &[][..]),
        ("files", &[]),
        ("records", &[]),
        ("import", &["records"]),
        ("service", &[]),
        ("store", &["tlog"]),
        ("testlog", &["records", "tlog"]),
        ("tlog-client", &["records", "tlog"]),
        ("civiclog", &["files", "import", "records", "tlog", "tlog-client"]),
        ("civiclog-witness", &["files", "service", "tlog"]),
        ("civiclog-server", &["files", "records", "service", "store", "tlog", "tlog-client"]),
        (
            "e2e",
            &[
                "civiclog",
                "civiclog-server",
                "civiclog-witness",
                "files",
                "records",
                "service",
                "store",
                "tlog",
                "tlog-client",
            ],
        ),
    ]);
    let packages = our_packages();
    let names: BTreeSet<&str> = packages.iter().map(|it| text(&it["name"])).collect();
    assert_eq!(names, allowed.keys().copied().collect(), "a package came or went");
    for package in &packages {
        let name = text(&package["name"]);
        for dependency in dependencies(package) {
            let used = text(&dependency["name"]);
            if used == "testlog" {
                let is_for_tests = name == "e2e" || dependency["kind"] == "dev";
                assert!(is_for_tests, "{name} must not need testlog outside of its tests");
            } else if names.contains(used) {
                assert!(allowed[name].contains(&used), "{name} must not depend on {used}");
            }
        }
    }
}

#[test]
fn rocksdb_is_reached_through_store_alone() {
    for package in &our_packages() {
        for dependency in dependencies(package) {
            let used = text(&dependency["name"]);
            if used.contains("rocksdb") {
                assert_eq!(text(&package["name"]), "store", "only store may link {used}");
            }
        }
    }
    for package in ["civiclog", "civiclog-witness"] {
        let tree = tree_of(package, &[]);
        assert!(!tree.iter().any(|it| it.contains("rocksdb")), "{package} links RocksDB");
    }
}

#[test]
fn pure_crates_reach_no_time_randomness_files_or_network() {
    let forbidden = [
        "axum",
        "chrono",
        "getrandom",
        "hyper",
        "mio",
        "rand",
        "reqwest",
        "rustix",
        "socket2",
        "tempfile",
        "time",
        "tokio",
    ];
    for package in ["tlog", "records"] {
        for target in [&[][..], &["--target", "wasm32-unknown-unknown"]] {
            for used in tree_of(package, target) {
                assert!(!forbidden.contains(&used.as_str()), "{package} pulls in {used}");
            }
        }
    }
}

#[test]
fn libraries_do_not_use_anyhow() {
    for package in ["files", "tlog", "records", "import", "store", "tlog-client"] {
        let tree = tree_of(package, &[]);
        assert!(!tree.contains("anyhow"), "{package} pulls in anyhow");
    }
}

#[test]
fn versions_live_only_in_the_workspace_manifest() {
    for (path, manifest) in member_manifests() {
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(entries) = manifest.get(table).and_then(toml::Value::as_table) else {
                continue;
            };
            for (name, entry) in entries {
                let inherited = entry.get("workspace").and_then(toml::Value::as_bool);
                assert_eq!(inherited, Some(true), "{path}: `{name}` must be `workspace = true`");
            }
        }
        let lints = manifest.get("lints").and_then(|it| it.get("workspace"));
        assert_eq!(
            lints.and_then(toml::Value::as_bool),
            Some(true),
            "{path} must have `[lints] workspace = true`"
        );
    }
}

#[test]
fn default_features_are_off_everywhere() {
    let manifest = read_toml(&root().join("Cargo.toml"));
    let entries = manifest["workspace"]["dependencies"].as_table().expect("a table");
    for (name, entry) in entries {
        if entry.get("path").is_some() {
            continue;
        }
        let off = entry.get("default-features").and_then(toml::Value::as_bool) == Some(false);
        assert!(off, "Cargo.toml: `{name}` must have `default-features = false`");
    }
}

#[test]
fn main_files_only_start_the_library() {
    for file in product_files() {
        if file.path.ends_with("main.rs") {
            let lines = file.text.lines().count();
            assert!(lines <= 60, "{} has {lines} lines; main.rs has at most 60", file.name());
        }
    }
}

#[test]
fn files_stay_short() {
    for (name, graph) in crates() {
        for (_, module) in graph.modules() {
            let lines = module.product_lines;
            let file = shown(&module.file);
            assert!(lines <= 600, "{name}: {file} has {lines} lines without its tests, not 600");
        }
    }
}

#[test]
fn functions_stay_short() {
    for (name, graph) in crates() {
        for (_, module) in graph.modules() {
            let (function, lines) = &module.longest_function;
            let file = shown(&module.file);
            assert!(*lines <= 80, "{name}: `{function}` in {file} has {lines} lines, not 80");
        }
    }
}

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    let mut found = Vec::new();
    for (name, graph) in crates() {
        for circle in graph.circles() {
            found.push(format!("{name}:"));
            for module in &circle {
                let uses = graph.uses(module);
                let inside: Vec<String> =
                    uses.iter().filter(|it| circle.contains(it)).map(|it| it.join("::")).collect();
                found.push(format!("    {} -> {}", module.join("::"), inside.join(", ")));
            }
        }
    }
    assert!(found.is_empty(), "circles of files, and what ties each:\n{}", found.join("\n"));
}

/// The folders of the server, from the socket down to the key: each imports only from those after it.
const SERVER_FLOORS: [&str; 11] = [
    "run",
    "cli",
    "serve",
    "operate",
    "publish",
    "sequence",
    "admit",
    "documents",
    "sign",
    "core",
    "config",
];

#[test]
fn the_path_from_the_socket_to_the_signature_reads_downwards() {
    let graph = ModuleGraph::of_crate(&root().join("server/src/lib.rs"));
    let floor = |name: &str| SERVER_FLOORS.iter().position(|it| *it == name);
    for (path, _) in graph.modules().filter(|(path, _)| !path.is_empty()) {
        let above = floor(&path[0]).unwrap_or_else(|| panic!("{} has no floor", path[0]));
        for used in graph.uses(path) {
            let (user, used_name) = (path.join("::"), used.join("::"));
            assert!(!used.is_empty(), "{user} imports from the crate's root");
            let below = floor(&used[0]).unwrap_or_else(|| panic!("{} has no floor", used[0]));
            assert!(above <= below, "{user} imports upwards from {used_name}");
        }
    }
}

/// A second client would drift from the first in roots, limits and retries.
#[test]
fn there_is_one_http_client() {
    for package in &our_packages() {
        let name = text(&package["name"]);
        for dependency in dependencies(package) {
            let is_normal = dependency["kind"].is_null();
            let features = dependency["features"].as_array().expect("a list of features");
            let is_client = features.iter().any(|it| text(it).starts_with("client"));
            let allowed = ["tlog-client", "e2e"].contains(&name);
            let used = text(&dependency["name"]);
            assert!(allowed || !(is_normal && is_client), "{name} uses {used} as an HTTP client");
            let is_connector = used == "hyper-rustls";
            assert!(allowed || !(is_normal && is_connector), "{name} makes its own connections");
        }
    }
}

#[test]
fn lints_are_suppressed_with_expect_and_a_reason() {
    // Spelled in two halves, so that this file does not find itself.
    let forbidden =
        [["#[", "allow("].concat(), ["#![", "allow("].concat(), [", ", "allow("].concat()];
    for file in rust_files() {
        for (number, line) in file.text.lines().enumerate() {
            let line = line.trim_start();
            if !line.starts_with('#') {
                continue;
            }
            let found = forbidden.iter().any(|it| line.contains(it.as_str()));
            assert!(!found, "{}:{}: use #[expect(lint, reason = \"…\")]", file.name(), number + 1);
        }
    }
}

#[test]
fn modules_are_named_after_what_they_hold() {
    let forbidden = ["common", "helper", "helpers", "misc", "types", "util", "utils"];
    for file in rust_files() {
        let parent = file.path.parent().and_then(Path::file_name);
        for name in [file.path.file_stem(), parent].into_iter().flatten() {
            let name = name.to_str().expect("UTF-8 path");
            assert!(!forbidden.contains(&name), "{}: `{name}` says nothing", file.name());
        }
    }
}

#[test]
fn rocksdb_is_compiled_once_for_all_profiles_and_tools() {
    let folder = std::env::var_os("ROCKSDB_LIB_DIR").map(PathBuf::from);
    let folder = folder.expect("ROCKSDB_LIB_DIR is set by deploy/librocksdb; use ./tests/run");
    assert!(folder.join("librocksdb.a").is_file(), "no librocksdb.a in {}", folder.display());

    let target = PathBuf::from(text(&metadata()["target_directory"]));
    assert!(!folder.starts_with(&target), "the archive must outlive the target folder");
    let mut second = Vec::new();
    for profile in folders_in(&target) {
        // `target/<profile>/build` and, for other targets, `target/<triple>/<profile>/build`.
        for builds in [profile.join("build")]
            .into_iter()
            .chain(folders_in(&profile).into_iter().map(|it| it.join("build")))
        {
            second.extend(folders_in(&builds).into_iter().map(|it| it.join("out/librocksdb.a")));
        }
    }
    second.retain(|it| it.exists());
    assert!(second.is_empty(), "RocksDB was compiled again: {second:?}");
}

#[test]
fn shipped_configurations_are_understood() {
    for sample in ["deploy/server.toml", "k8s/log/server.toml"] {
        let config = civiclog_server::config::Config::load(&root().join(sample));
        assert!(config.is_ok(), "{sample}: {config:?}");
    }
    for sample in ["deploy/witness.toml", "k8s/witness/witness.toml"] {
        let config = civiclog_witness::config::Config::load(&root().join(sample));
        assert!(config.is_ok(), "{sample}: {config:?}");
    }
    for path in files_below(&root().join("deploy/maps"), "toml") {
        let text = std::fs::read_to_string(&path).expect("a readable map");
        let map: toml::Value = toml::from_str(&text).expect("TOML");
        assert!(map.as_table().is_some_and(|it| !it.is_empty()), "{} is empty", path.display());
    }
}

#[test]
fn scripts_parse_and_are_executable() {
    use std::os::unix::fs::PermissionsExt as _;
    for script in [
        "deploy/demo",
        "deploy/librocksdb",
        "tests/run",
        "tests/fresh/run",
        ".ci/run",
        "deploy/setup",
    ] {
        let path = root().join(script);
        let status = Command::new("bash").arg("-n").arg(&path).status().expect("bash runs");
        assert!(status.success(), "{script} is not valid bash");
        let mode = std::fs::metadata(&path).expect("it exists").permissions().mode();
        // deploy/setup is sourced; everything else is started.
        let executable = mode & 0o111 != 0;
        assert_eq!(executable, script != "deploy/setup", "{script} has mode {mode:o}");
    }
}

struct SourceFile {
    path: PathBuf,
    text: String,
}

impl SourceFile {
    fn name(&self) -> String {
        self.path.strip_prefix(root()).unwrap_or(&self.path).display().to_string()
    }
}

/// Every crate that ships, by its name and the files of its library.
fn crates() -> Vec<(String, ModuleGraph)> {
    let mut crates = Vec::new();
    for package in &our_packages() {
        let name = text(&package["name"]).to_owned();
        let manifest = PathBuf::from(text(&package["manifest_path"]));
        let library = manifest.with_file_name("src").join("lib.rs");
        if name != "e2e" {
            crates.push((name, ModuleGraph::of_crate(&library)));
        }
    }
    assert!(crates.len() > 8, "the crates were not found");
    crates
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

fn rust_files() -> Vec<SourceFile> {
    ["client-cli", "crates", "server", "tests", "witness"]
        .iter()
        .flat_map(|folder| files_below(&root().join(folder), "rs"))
        .map(|path| SourceFile { text: std::fs::read_to_string(&path).expect("readable"), path })
        .collect()
}

/// What ships: no integration tests, no benchmarks, no unit tests in files of their own.
fn product_files() -> Vec<SourceFile> {
    let mut files = rust_files();
    files.retain(|file| {
        let inside = file.path.strip_prefix(root()).expect("below the root");
        !inside.starts_with("tests")
            && inside.components().any(|it| it.as_os_str() == "src")
            && !inside.components().any(|it| it.as_os_str() == "tests")
            && !inside.ends_with("tests.rs")
    });
    assert!(files.len() > 20, "the sources were not found");
    files
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() && path.file_name().is_none_or(|it| it != "target") {
                waiting.push(path);
            } else if path.extension().is_some_and(|it| it == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.flatten().map(|it| it.path()).filter(|it| it.is_dir()).collect()
}

fn member_manifests() -> Vec<(String, toml::Value)> {
    our_packages()
        .iter()
        .map(|package| {
            let path = PathBuf::from(text(&package["manifest_path"]));
            (path.display().to_string(), read_toml(&path))
        })
        .collect()
}

fn read_toml(path: &Path) -> toml::Value {
    let text = std::fs::read_to_string(path).expect("a readable manifest");
    toml::from_str(&text).expect("TOML")
}

/// The names of all packages that `package` is built from, on this machine or with `arguments`.
fn tree_of(package: &str, arguments: &[&str]) -> BTreeSet<String> {
    let fixed = ["tree", "--locked", "--edges", "normal", "--prefix", "none", "--package", package];
    let printed = cargo(&fixed.iter().chain(arguments).copied().collect::<Vec<_>>());
    let names: BTreeSet<String> =
        printed.lines().filter_map(|it| it.split(' ').next()).map(str::to_owned).collect();
    assert!(names.contains(package), "cargo tree printed: {printed}");
    names
}

fn our_packages() -> Vec<Value> {
    let metadata = metadata();
    metadata["packages"].as_array().expect("a list of packages").clone()
}

fn dependencies(package: &Value) -> &[Value] {
    package["dependencies"].as_array().expect("a list of dependencies")
}

fn metadata() -> Value {
    let printed = cargo(&["metadata", "--locked", "--no-deps", "--format-version", "1"]);
    serde_json::from_str(&printed).expect("cargo metadata prints JSON")
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is a folder of the workspace")
}
