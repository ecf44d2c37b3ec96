//! Measures the admission of payments, part by part. Each is held to every rule of the heaviest
//! shipped kind: a contract and a commitment that exist, a running sum, a native id, a month's total.
//! `cargo run --release -p records --example admission_speed`.
#![expect(clippy::print_stdout, reason = "the figures are the point")]
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use records::{
    Algorithm, CheckedSubmission, EntryIndex, Es256Verify, HeldBy, P256Verify, RecordDraft,
    SigningKey, Submission, Value, Verdict, admit, key, seal,
};

const ORIGIN: &str = "log.example/spending-2026";
const BODY: &str = "GB-LAE-DEV";
const ADMITTED_MS: u64 = 1_767_571_200_000;
const PAYMENTS: u32 = 20_000;
/// A note verifier key of no use but its form.
const VKEY: &str =
    "log.example/spending-2026+758097c6+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

/// Says yes to everything, so that the signature's cost stays out of a figure.
struct NoVerify;

impl Es256Verify for NoVerify {
    fn verify(&self, _: &[u8; 65], _: &[u8], _: &[u8; 64]) -> bool {
        true
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let governance = SigningKey::generate_from_seed(Algorithm::Ed25519, [1; 32])?;
    let treasury = SigningKey::generate_from_seed(Algorithm::Es256, [2; 32])?;
    let mut state = BTreeMap::new();
    for (index, posted) in (0..).zip(founding(&governance, &treasury)?) {
        let checked = CheckedSubmission::unchecked(Submission::parse(&posted, ORIGIN)?);
        let verdict = admit(&state, EntryIndex::new(index), ADMITTED_MS, &checked, &P256Verify)?;
        let Verdict::Accepted(admitted) = verdict else {
            return Err(format!("{verdict:?}").into());
        };
        state.extend(admitted.changes);
    }
    let posted =
        (0..PAYMENTS).map(|number| payment(number, &treasury)).collect::<Result<Vec<_>, _>>()?;
    let bytes: usize = posted.iter().map(Vec::len).sum();
    println!("{PAYMENTS} submissions of {} bytes", bytes / posted.len());

    timed("parse, canonical form, grammar, disclosure", || {
        posted.iter().try_for_each(|bytes| Submission::parse(bytes, ORIGIN).map(drop))
    })?;
    let parsed = posted.iter().map(|bytes| Submission::parse(bytes, ORIGIN));
    let parsed = parsed.collect::<Result<Vec<_>, _>>()?;
    let sample: Vec<Submission> = parsed.iter().take(1000).cloned().collect();
    let checked = timed("key look-up without signature", || {
        let keys = |kid: &records::Kid| key(&state, kid).map(|key| key.map(|key| key.public));
        parsed
            .into_iter()
            .map(|sub| CheckedSubmission::check(sub, keys, &NoVerify))
            .collect::<Result<Result<Vec<_>, _>, _>>()
    })??;
    let entry_bytes = timed("judgement and entry", || {
        let mut entry_bytes = 0;
        for (index, sub) in (4..).zip(&checked) {
            let verdict = admit(&state, EntryIndex::new(index), ADMITTED_MS, sub, &P256Verify)?;
            let Verdict::Accepted(admitted) = verdict else {
                return Err(format!("{verdict:?}").into());
            };
            entry_bytes += admitted.entry.len();
            state.extend(admitted.changes);
        }
        Ok::<_, Box<dyn Error>>(entry_bytes)
    })?;
    println!("entries of {} bytes", entry_bytes / checked.len());

    let before = Instant::now();
    let keys = |_: &records::Kid| Ok::<_, Box<dyn Error>>(Some(treasury.public().clone()));
    for sub in sample {
        CheckedSubmission::check(sub, keys, &P256Verify)??;
    }
    println!("{:>8.2} µs  ES256 by the reference", before.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let before = Instant::now();
    let result = run();
    let each = before.elapsed().as_secs_f64() * 1e6 / f64::from(PAYMENTS);
    println!("{each:>8.2} µs  {what}");
    result
}

fn founding(
    governance: &SigningKey,
    treasury: &SigningKey,
) -> Result<[Vec<u8>; 4], Box<dyn Error>> {
    let next = SigningKey::generate_from_seed(Algorithm::Ed25519, [9; 32])?;
    let registry = |kind: &str, object: &str| {
        RecordDraft::new(ORIGIN, "registry/1", kind)
            .object(object)
            .submitter("log")
            .occurred("2026-01-01")
    };
    let genesis = registry("genesis", "log/genesis").data(Value::map([
        ("engine", Value::Int(1)),
        (
            "governance",
            Value::map([
                ("keys", Value::list([governance.public().to_jwk()])),
                ("next", Value::list([next.public().kid().to_string()])),
                ("threshold", Value::Int(1)),
            ]),
        ),
        ("policy", Value::list(["quorum none"])),
        ("vkeys", Value::list([VKEY])),
    ]));
    let add = registry("submitter.add", &format!("log/submitter/{BODY}")).data(Value::map([
        ("bodies", Value::list([BODY])),
        ("key", treasury.public().to_jwk()),
        ("profiles", Value::list(["contract/1", "spending/1"])),
        ("submitter", BODY.into()),
    ]));
    let (genesis, add) = (genesis.build()?, add.build()?);
    let by_governance = |record: &records::Record| governance.sign_detached(record.bytes());
    Ok([
        Submission::assemble(&genesis, &[by_governance(&genesis)], &[]),
        Submission::assemble(
            &add,
            &[by_governance(&add), treasury.sign_detached(add.bytes())],
            &[],
        ),
        of_treasury(
            "contract/1",
            "register",
            "contract/4711",
            treasury,
            Value::map([
                ("buyer", Value::map([("id", BODY)])),
                ("signed", "2026-01-02".into()),
                ("supplier", Value::map([("id", "XI-LOCAL-89507")])),
                ("value", money("100000000.00")),
            ]),
        )?,
        of_treasury(
            "spending/1",
            "commitment",
            "commitment/1",
            treasury,
            Value::map([("amount", money("100000000.00")), ("payer", Value::map([("id", BODY)]))]),
        )?,
    ])
}

fn money(value: &str) -> Value {
    Value::map([("currency", "GBP"), ("value", value)])
}

fn of_treasury(
    profile: &str,
    kind: &str,
    name: &str,
    key: &SigningKey,
    data: Value,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let record = RecordDraft::new(ORIGIN, profile, kind)
        .object(&format!("{BODY}/{name}"))
        .submitter(BODY)
        .occurred("2026-01-02")
        .data(data)
        .build()?;
    Ok(Submission::assemble(&record, &[key.sign_detached(record.bytes())], &[]))
}

fn payment(number: u32, key: &SigningKey) -> Result<Vec<u8>, Box<dyn Error>> {
    let (name, opened) =
        seal("/data/payee/name", "name", "Orchard Care Ltd".into(), [7; 16], HeldBy::Log);
    let record = RecordDraft::new(ORIGIN, "spending/1", "payment")
        .object(&format!("{BODY}/payment/CFADDAY{number:08}"))
        .submitter(BODY)
        .occurred("2026-01-02")
        .data(Value::map([
            ("amount", Value::map([("currency", "GBP"), ("value", "3605.68")])),
            ("class", Value::map([("expense", "5701")])),
            ("native", format!("CFADDAY{number:08}").into()),
            ("payee", Value::map([("id", "XI-LOCAL-89507")])),
            ("payer", Value::map([("id", BODY)])),
        ]))
        .reference("commitment", "GB-LAE-DEV/commitment/1")
        .reference("contract", "GB-LAE-DEV/contract/4711")
        .sealed(name)
        .source(Value::map([("row", i64::from(number) + 1)]))
        .build()?;
    let signature = key.sign_detached(record.bytes());
    Ok(Submission::assemble(&record, &[signature], &[opened]))
}
