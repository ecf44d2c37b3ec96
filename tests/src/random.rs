//! Numbers from a seed. Every random choice of a test comes from one number that it prints.

use rustix::process::getpid;

/// `SplitMix64`: small, and the same on every machine.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// Starts from a seed.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The seed in `CIVICLOG_TEST_SEED`, or a fresh one; printed either way.
    #[expect(clippy::print_stdout, reason = "a failed test is repeated with it")]
    pub fn announced(test: &str) -> Self {
        let given = std::env::var_os("CIVICLOG_TEST_SEED")
            .and_then(|it| it.to_str().and_then(|it| it.parse().ok()));
        let seed = given.unwrap_or_else(fresh_seed);
        println!("{test}: CIVICLOG_TEST_SEED={seed}");
        Self::new(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// Another stream that depends on this one.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::new(self.number())
    }
}

fn fresh_seed() -> u64 {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u64::from_le_bytes(bytes) % 1_000_000_000,
        Err(_) => u64::from(getpid().as_raw_nonzero().get().unsigned_abs()),
    }
}
