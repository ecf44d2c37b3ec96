//! Copies of a log elsewhere: its backups, its tiles in a folder, a web server over that folder, a
//! second server that only reads.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use tlog::{TilePath, TreeSize, bundles_of_size, tiles_of_size};

use crate::http::Http;
use crate::log::TestLog;
use crate::process::{Finished, Process};

/// Runs `civiclog-server backup` and returns the folder that it made.
///
/// # Panics
/// When no backup is made.
pub fn backup(log: &TestLog, to: &Path, more: &[&str]) -> PathBuf {
    let made = try_backup(log, to, more).expect_success("backup").json();
    PathBuf::from(made["backup"].as_str().expect("a folder"))
}

/// Runs `civiclog-server backup` to its end.
pub fn try_backup(log: &TestLog, to: &Path, more: &[&str]) -> Finished {
    let to = to.to_str().expect("UTF-8");
    let mut arguments = vec!["--to".to_owned(), to.to_owned()];
    if let Some(admin) = log.admin_address() {
        arguments.extend(["--admin".to_owned(), admin]);
    }
    arguments.extend(more.iter().map(|it| (*it).to_owned()));
    log.server_command_with("backup", &arguments)
}

/// Copies what a log publishes into a folder, file by file, under the paths it is served at.
///
/// # Panics
/// When the log does not serve a part of it.
pub fn copy_tiles(http: &Http, size: TreeSize, to: &Path) {
    let hashes = tiles_of_size(size).map(TilePath::Hash);
    let entries = bundles_of_size(size).map(TilePath::Entries);
    let paths = hashes.chain(entries).map(|it| it.to_string());
    for path in paths.chain(["checkpoint".to_owned()]) {
        let body = http.get(&format!("/{path}")).expect_status(200).body;
        let file = to.join(path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("making a folder");
        fs::write(file, body).expect("writing a file");
    }
}

/// A server of this log over a copy of its data folder. The witnesses must be down, so that it only
/// reads.
#[derive(Debug)]
pub struct SecondServer {
    // Dropping it ends the process.
    _process: Process,
    url: String,
}

impl SecondServer {
    /// Starts it.
    ///
    /// # Panics
    /// When a witness is up, or it does not start.
    pub fn start(log: &TestLog, data: &Path) -> Self {
        let witnesses_up = log.witnesses.iter().filter(|it| it.id().is_some()).count();
        assert_eq!(witnesses_up, 0, "two servers of one log must never both be confirmed");
        let text = fs::read_to_string(log.config_path()).expect("the configuration");
        let text = text.replace(
            "data_dir = \"data\"",
            &format!("data_dir = \"{}\"", data.to_str().expect("UTF-8")),
        );
        let config = log.path("second.toml");
        fs::write(&config, text).expect("writing the configuration");
        let mut command = crate::programs::command(crate::programs::SERVER);
        command.arg("run").arg("--config").arg(config);
        let (process, said) = Process::start(command, "second server", &log.path("second.log"))
            .unwrap_or_else(|text| panic!("the second server does not start: {text}"));
        let url = format!("http://{}", said["listening"].as_str().expect("an address"));
        Self { _process: process, url }
    }

    /// Where it serves the log.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// A web server that knows nothing of logs: it serves the files of a folder. Its thread ends with
/// the test.
///
/// # Panics
/// When it cannot listen.
pub fn serve_files(folder: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listening");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            std::thread::spawn(move || answer(&stream, &folder));
        }
    });
    url
}

fn answer(stream: &TcpStream, folder: &Path) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    // The head ends with an empty line; a GET has no body.
    lines.map_while(Result::ok).take_while(|it| !it.is_empty()).for_each(drop);
    let path = first.split(' ').nth(1)?.trim_start_matches('/');
    let (status, body) = match fs::read(folder.join(path)) {
        Ok(bytes) => ("200 OK", bytes),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let mut stream = stream;
    stream.write_all(&[head.as_bytes(), &body].concat()).ok()
}
