//! How close leaf hashing comes to raw SHA-256, and how fast leaves are integrated.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sha2::{Digest as _, Sha256};

fn leaf_hashing(criterion: &mut Criterion) {
    let entry = [7_u8; 700];
    let mut group = criterion.benchmark_group("700_byte_entry");
    group.throughput(Throughput::Bytes(700));
    group.bench_function("raw_sha256", |b| b.iter(|| Sha256::digest(black_box(&entry))));
    group.bench_function("leaf_hash", |b| b.iter(|| tlog::leaf_hash(black_box(&entry))));
    group.finish();
}

fn integration(criterion: &mut Criterion) {
    let leaves: Vec<tlog::Hash> =
        (0..100_000_u32).map(|i| tlog::leaf_hash(&i.to_be_bytes())).collect();
    let start = tlog::Frontier::empty().integrate(&leaves).into_frontier();
    let mut group = criterion.benchmark_group("integrate");
    for batch in [1, 1024, 100_000] {
        let leaves = &leaves[..batch];
        group.throughput(Throughput::Elements(batch as u64));
        group.bench_function(format!("{batch}_leaves"), |b| {
            b.iter(|| start.integrate(black_box(leaves)));
        });
    }
    group.finish();
}

criterion_group!(benches, leaf_hashing, integration);
criterion_main!(benches);
