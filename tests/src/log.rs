//! A log with its witnesses, made from nothing in a temporary folder by the programs' own commands.

use std::ffi::OsStr;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use records::{Algorithm, RecordDraft, SigningKey, Submission, Value};
use tempfile::TempDir;
use tlog::Policy;

use crate::http::Http;
use crate::process::{Finished, Process, finish};
use crate::reader::Reader;
use crate::submitter::Treasury;
use crate::under::Under;
use crate::witness::{Witness, own_host};
use crate::{programs, wait};

/// What a test may want otherwise.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The log's name.
    pub origin: String,
    /// How many witnesses there are.
    pub witnesses: u16,
    /// How many of them must cosign.
    pub quorum: u16,
    /// Witnesses that the test runs itself: name, verifier key and URL of each. All of them must
    /// cosign, beside the quorum of the others.
    pub foreign: Vec<[String; 3]>,
    /// Lines of the table `[limits]`.
    pub limits: String,
    /// Lines of the table `[publish]`.
    pub publish: String,
    /// Whether its refusals are signed.
    pub signs_refusals: bool,
}

impl Default for LogOptions {
    /// Four witnesses, three of whom must cosign; rounds close together, so that tests are quick.
    fn default() -> Self {
        Self {
            origin: "log.example/tests".to_owned(),
            witnesses: 4,
            quorum: 3,
            foreign: Vec::new(),
            limits: String::new(),
            publish: "checkpoint_interval_ms = 20\n".to_owned(),
            signs_refusals: false,
        }
    }
}

/// A log of its own for a test. Dropping it kills all its processes and removes its folder.
#[derive(Debug)]
pub struct TestLog {
    // Processes end before their folder is removed: fields are dropped in this order.
    server: Option<Server>,
    /// The witnesses, in the order of the policy.
    pub witnesses: Vec<Witness>,
    options: LogOptions,
    /// What the server is started under.
    under: Under,
    host: Ipv4Addr,
    vkeys: Vec<String>,
    governance: SigningKey,
    folder: Folder,
}

#[derive(Debug)]
struct Server {
    process: Process,
    http: Http,
    admin: Http,
}

/// A temporary folder, or one that somebody wants to keep.
#[derive(Debug)]
enum Folder {
    Temporary(TempDir),
    Kept(PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(path) => path,
        }
    }
}

impl TestLog {
    /// A running log with a registered treasury.
    pub fn start() -> (Self, Treasury) {
        Self::start_with(LogOptions::default())
    }

    /// A running log with a registered treasury.
    pub fn start_with(options: LogOptions) -> (Self, Treasury) {
        let mut log = Self::create(options);
        log.start_witnesses();
        log.start_server();
        let treasury = log.register("GB-LAE-DEV", Algorithm::Es256, 1);
        (log, treasury)
    }

    /// A log that was made by `init`; nothing runs yet.
    pub fn create(options: LogOptions) -> Self {
        let folder = TempDir::with_prefix("civiclog-").expect("a temporary folder");
        Self::create_in(Folder::Temporary(folder), options)
    }

    /// The same in a folder that is kept, which must be new.
    pub fn create_at(folder: &Path, options: LogOptions) -> Self {
        fs::create_dir(folder).expect("making the log's folder");
        Self::create_in(Folder::Kept(folder.to_owned()), options)
    }

    fn create_in(folder: Folder, options: LogOptions) -> Self {
        let host = own_host();
        let witnesses: Vec<Witness> = (1..=options.witnesses)
            .map(|number| {
                let name = format!("w{number}");
                Witness::init(&folder.path().join(&name), &name, host, FIRST_WITNESS_PORT + number)
            })
            .collect();
        let governance = crate::submitter::key(Algorithm::Ed25519, 0x60);
        let (under, vkeys) = (Under::default(), Vec::new());
        let mut log =
            Self { server: None, witnesses, options, under, host, vkeys, governance, folder };
        log.make();
        log
    }

    /// The steps of an operator who makes a log.
    fn make(&mut self) {
        self.write_config();
        let keygen = self.server_command("keygen").expect_success("keygen");
        self.vkeys = keygen.stdout.lines().map(str::to_owned).collect();
        assert_eq!(self.vkeys.len(), 2, "an Ed25519 key and a P-256 key: {:?}", self.vkeys);
        self.write_policy();
        for witness in &self.witnesses {
            witness.watch(&[&self.vkeys[0]]);
        }
        let next = crate::submitter::key(Algorithm::Ed25519, 0x61);
        let (now, next) = (
            self.write_jwk("governance.jwk", &self.governance),
            self.write_jwk("governance-next.jwk", &next),
        );
        let draft = self.path("genesis.json");
        let mut command = self.server("init");
        command.arg("--draft").arg(&draft).arg("--governance").arg(now);
        command.arg("--governance-next").arg(next);
        if self.options.signs_refusals {
            let jwk = self.path("refusals.jwk");
            let mut keygen = self.server("keygen");
            keygen.arg("--refusals").arg(&jwk);
            finish(keygen).expect_success("keygen --refusals");
            command.arg("--operator-key").arg(jwk);
        }
        finish(command).expect_success("init --draft");
        self.sign_draft(&draft);
        let mut command = self.server("init");
        command.arg("--genesis").arg(&draft);
        finish(command).expect_success("init --genesis");
    }

    /// Writes the public half of a key.
    pub fn write_jwk(&self, name: &str, key: &SigningKey) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, records::to_canonical(&key.public().to_jwk())).expect("writing a JWK");
        path
    }

    fn sign_draft(&self, path: &Path) {
        let bytes = fs::read(path).expect("reading the draft");
        let mut draft = Submission::parse_draft(&bytes).expect("a draft");
        let signature = self.governance.sign_detached(draft.record().bytes());
        draft.add_signature(signature);
        fs::write(path, draft.to_canonical()).expect("writing the signed draft");
    }

    /// Writes `server.toml` as the options have it.
    pub fn write_config(&self) {
        let text = format!(
            "origin = \"{}\"\ndata_dir = \"data\"\npolicy = \"policy.txt\"\n\n[listen]\n\
             public = \"{host}:0\"\nadmin = \"{host}:0\"\n\n[limits]\n{}\n[publish]\n{}",
            self.options.origin,
            self.options.limits,
            self.options.publish,
            host = self.host,
        );
        fs::write(self.config_path(), text).expect("writing server.toml");
    }

    fn write_policy(&self) {
        use std::fmt::Write as _;
        let mut text = format!("log {}\n", self.vkeys[0]);
        for witness in &self.witnesses {
            let _ =
                writeln!(text, "witness {} {} {}", witness.name(), witness.vkey(), witness.url());
        }
        let names: Vec<&str> = self.witnesses.iter().map(Witness::name).collect();
        let _ = writeln!(text, "group enough {} {}", self.options.quorum, names.join(" "));
        if self.options.foreign.is_empty() {
            text.push_str("quorum enough\n");
        } else {
            let mut names = Vec::new();
            for [name, vkey, url] in &self.options.foreign {
                let _ = writeln!(text, "witness {name} {vkey} {url}");
                names.push(name.as_str());
            }
            let _ = writeln!(text, "group all-of-us all enough {}", names.join(" "));
            text.push_str("quorum all-of-us\n");
        }
        fs::write(self.policy_path(), text).expect("writing the policy");
    }

    /// Starts all witnesses that are down.
    pub fn start_witnesses(&mut self) {
        for witness in self.witnesses.iter_mut().filter(|it| it.id().is_none()) {
            witness.start();
        }
    }

    /// Starts the server and waits until it takes records.
    pub fn start_server(&mut self) {
        self.start_server_unready();
        let admin = self.running().admin.clone();
        wait::until("the log takes records", || {
            admin.try_get("/readyz").ok().filter(|it| it.status == 200).map(|_| ())
        });
    }

    /// Starts the server and waits only until it listens.
    ///
    /// # Panics
    /// When it does not get that far.
    pub fn start_server_unready(&mut self) {
        self.try_start_server().unwrap_or_else(|text| panic!("the server does not start: {text}"));
    }

    /// Starts the server.
    ///
    /// # Errors
    /// What it wrote to standard error, when it refused.
    pub fn try_start_server(&mut self) -> Result<(), String> {
        self.try_start_server_with(&[])
    }

    /// Starts the server with more arguments.
    ///
    /// # Errors
    /// What it wrote to standard error, when it refused.
    pub fn try_start_server_with(&mut self, arguments: &[&str]) -> Result<(), String> {
        assert!(self.server.is_none(), "one server at a time");
        let stderr = self.path("server.log");
        let mut command = self.server("run");
        command.args(arguments);
        let command = self.under.wrap(command);
        let (process, said) = Process::start(command, "civiclog-server", &stderr)?;
        let url = |name: &str| format!("http://{}", said[name].as_str().expect("an address"));
        assert_eq!(said["origin"], self.options.origin.as_str());
        let (http, admin) = (Http::new(&url("listening")), Http::new(&url("admin")));
        self.server = Some(Server { process, http, admin });
        Ok(())
    }

    /// What the next server is started under.
    pub fn start_under(&mut self, under: Under) {
        self.under = under;
    }

    /// Asks the server to stop; returns its exit code.
    pub fn stop_server(&mut self) -> Option<i32> {
        let mut server = self.server.take().expect("a running server");
        server.process.terminate();
        server.process.exit().code()
    }

    /// Asks the server to stop without waiting for it.
    pub fn terminate_server(&self) {
        self.running().process.terminate();
    }

    /// The same, as Ctrl-C would.
    pub fn interrupt_server(&self) {
        self.running().process.interrupt();
    }

    /// Waits until the server ended by itself, or because it was asked to; returns its exit code.
    pub fn wait_for_server(&mut self) -> Option<i32> {
        self.server.take().expect("a server").process.exit().code()
    }

    /// SIGKILL.
    pub fn kill_server(&mut self) {
        self.server.take().expect("a running server").process.kill();
    }

    /// Runs `civiclog-server SUBCOMMAND --config …` to its end.
    pub fn server_command(&self, subcommand: &str) -> Finished {
        finish(self.server(subcommand))
    }

    /// The same with more arguments.
    pub fn server_command_with<T: AsRef<OsStr>>(
        &self,
        subcommand: &str,
        arguments: &[T],
    ) -> Finished {
        let mut command = self.server(subcommand);
        command.args(arguments);
        finish(command)
    }

    /// `civiclog-server SUBCOMMAND --config …`, not started yet.
    pub fn server(&self, subcommand: &str) -> std::process::Command {
        let mut command = programs::command(programs::SERVER);
        command.arg(subcommand).arg("--config").arg(self.config_path());
        command
    }

    /// `civiclog-server audit`, which must say that all is right.
    pub fn audit(&self) -> Finished {
        self.server_command("audit").expect_success("the audit finds a fault")
    }

    /// A second server on the same configuration, to its end.
    pub fn second_server(&self) -> Finished {
        finish(self.server("run"))
    }

    /// A client of the public port.
    pub fn http(&self) -> &Http {
        &self.running().http
    }

    /// A client of the operator's port.
    pub fn admin(&self) -> &Http {
        &self.running().admin
    }

    /// The address of the operator's port, while the server runs.
    pub fn admin_address(&self) -> Option<String> {
        let server = self.server.as_ref()?;
        Some(server.admin.base().trim_start_matches("http://").to_owned())
    }

    /// The process id of the server.
    pub fn server_id(&self) -> u32 {
        self.running().process.id()
    }

    /// What all servers of this log wrote to standard error so far.
    pub fn server_log(&self) -> String {
        fs::read_to_string(self.path("server.log")).unwrap_or_default()
    }

    /// A stranger who believes only what he verified.
    pub fn reader(&self) -> Reader {
        Reader::new(self.http().clone(), self.policy())
    }

    /// The policy, as everybody has it.
    pub fn policy(&self) -> Policy {
        let text = fs::read_to_string(self.policy_path()).expect("reading the policy");
        Policy::parse(&text).expect("the policy of the test")
    }

    /// The log's verifier keys: Ed25519, then P-256.
    pub fn vkeys(&self) -> &[String] {
        &self.vkeys
    }

    /// The log's name.
    pub fn origin(&self) -> &str {
        &self.options.origin
    }

    /// Changes what the next `write_config` writes.
    pub fn options_mut(&mut self) -> &mut LogOptions {
        &mut self.options
    }

    /// The governance key; on paper it is far away from here.
    pub fn governance(&self) -> &SigningKey {
        &self.governance
    }

    /// A path in the test's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The server's configuration.
    pub fn config_path(&self) -> PathBuf {
        self.path("server.toml")
    }

    /// The policy file.
    pub fn policy_path(&self) -> PathBuf {
        self.path("policy.txt")
    }

    /// The server's data folder: keys, database, anchor.
    pub fn data_path(&self) -> PathBuf {
        self.path("data")
    }

    /// Copies the data folder; the server must be stopped.
    pub fn copy_data(&self, name: &str) -> PathBuf {
        assert!(self.server.is_none(), "a running server holds its folder");
        let copy = self.path(name);
        copy_folder(&self.data_path(), &copy);
        copy
    }

    /// Puts a copy in the place of the data folder; the server must be stopped.
    pub fn put_data_back(&self, copy: &Path) {
        assert!(self.server.is_none(), "a running server holds its folder");
        replace_folder(copy, &self.data_path());
    }

    /// Lets a new submitter in: a governance record like any other. Waits until it is published.
    pub fn register(&self, id: &str, algorithm: Algorithm, seed: u8) -> Treasury {
        let treasury = Treasury::new(self.origin(), id, algorithm, seed);
        let data = Value::map([
            ("bodies", Value::list([id])),
            ("key", treasury.key().public().to_jwk()),
            ("profiles", Value::list(["contract/1", "spending/1"])),
            ("submitter", id.into()),
        ]);
        let body = self.registry(
            "submitter.add",
            &format!("log/submitter/{id}"),
            data,
            &[&self.governance, treasury.key()],
        );
        self.http().post("/v1/records", "application/json", body).expect_status(200);
        treasury
    }

    /// A signed record of the registry, ready to post.
    pub fn registry(&self, kind: &str, object: &str, data: Value, keys: &[&SigningKey]) -> Vec<u8> {
        let record = RecordDraft::new(self.origin(), "registry/1", kind)
            .object(object)
            .submitter("log")
            .occurred("2026-01-01")
            .data(data)
            .build()
            .expect("a registry record");
        let signatures: Vec<_> = keys.iter().map(|key| key.sign_detached(record.bytes())).collect();
        Submission::assemble(&record, &signatures, &[])
    }

    fn running(&self) -> &Server {
        self.server.as_ref().expect("a running server")
    }
}

/// Copies a folder with all that is in it.
pub fn copy_folder(from: &Path, to: &Path) {
    let mut waiting = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = waiting.pop() {
        fs::create_dir_all(&to).expect("making a folder");
        for entry in fs::read_dir(&from).expect("listing a folder") {
            let entry = entry.expect("an entry of a folder");
            let target = to.join(entry.file_name());
            if entry.file_type().expect("a file type").is_dir() {
                waiting.push((entry.path(), target));
            } else {
                // Keeps the mode: key files are refused when others can read them.
                fs::copy(entry.path(), target).expect("copying a file");
            }
        }
    }
}

/// Puts a copy of one folder in the place of another.
pub fn replace_folder(from: &Path, to: &Path) {
    fs::remove_dir_all(to).expect("removing a folder");
    copy_folder(from, to);
}

const FIRST_WITNESS_PORT: u16 = 7000;
