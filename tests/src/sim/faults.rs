//! What goes wrong in a run: drawn from the seed, and sorted into what a restart in calm must make
//! good and what may leave a log that stands still with a reason.

use crate::random::Random;

/// So many times in a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate(pub u64);

impl Rate {
    /// Whether it happens now. Draws only if it ever can.
    pub fn happens(self, random: &mut Random) -> bool {
        self.0 > 0 && random.below(1000) < self.0
    }
}

/// What a disk does wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiskFaults {
    /// A write fails, in one of three ways.
    pub write_fails: Rate,
    /// The process dies within a write, before or after it took effect.
    pub write_dies: Rate,
    /// A read fails.
    pub read_fails: Rate,
    /// A bit flips in memory on the way to the disk.
    pub write_flips: Rate,
    /// A bit flips in memory on the way from the disk.
    pub read_flips: Rate,
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteFate {
    /// It is durable, and the caller knows.
    Done,
    /// An error, and nothing was written.
    FailsNotApplied,
    /// An error, and it is durable all the same.
    FailsApplied,
    /// An error; it can be read until the process ends, and may be gone then.
    FailsCached,
    /// The process ends before it.
    DiesBefore,
    /// The process ends after it, and the caller never knows.
    DiesAfter,
}

impl WriteFate {
    /// Whether it is on the disk.
    pub fn is_durable(self) -> bool {
        matches!(self, Self::Done | Self::FailsApplied | Self::DiesAfter)
    }

    /// Whether a process that goes on was told of an error.
    pub fn is_error(self) -> bool {
        matches!(self, Self::FailsNotApplied | Self::FailsApplied | Self::FailsCached)
    }
}

impl DiskFaults {
    /// Draws what becomes of a write.
    pub fn write_fate(&self, random: &mut Random) -> WriteFate {
        if self.write_dies.happens(random) {
            return if random.below(2) == 0 { WriteFate::DiesBefore } else { WriteFate::DiesAfter };
        }
        if self.write_fails.happens(random) {
            return match random.below(3) {
                0 => WriteFate::FailsNotApplied,
                1 => WriteFate::FailsApplied,
                _ => WriteFate::FailsCached,
            };
        }
        WriteFate::Done
    }
}

/// How a witness behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Honest,
    /// Signs whatever it is shown, and remembers nothing.
    SignsAnything,
    /// Answers with sizes it made up.
    MakesUpSizes,
    /// Denies every proof.
    Denies,
    /// Signs with a key of its own.
    ForeignKey,
    /// Answers with bytes that mean nothing.
    Babbles,
}

/// What one run goes through. Every number is drawn from the seed before the first step.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The log's disk.
    pub disk: DiskFaults,
    /// SIGKILL of the server.
    pub kill: Rate,
    /// A power cut.
    pub power_cut: Rate,
    /// A flush or compaction fails.
    pub background_error: Rate,
    /// The log's disk fills up, or has room again.
    pub room_changes: Rate,
    /// A message is lost.
    pub message_lost: Rate,
    /// A message arrives twice.
    pub message_twice: Rate,
    /// A witness stops, or starts again.
    pub witness_stops: Rate,
    /// A witness's write fails or it dies within.
    pub witness_write_fails: Rate,
    /// The log's clock jumps.
    pub clock_jumps: Rate,
    /// A bit flips on the log's disk.
    pub rot: Rate,
    /// A bit of a submission flips between its check and its order.
    pub pool_flips: Rate,
    /// The log's data is put back to an older copy.
    pub put_back: Rate,
    /// A copy of the machine starts beside the first one.
    pub clone: Rate,
    /// A power cut leaves half of the anchor.
    pub torn_anchor: Rate,
    /// The operator names other witnesses before a start.
    pub policy_changes: Rate,
    /// How one of the witnesses behaves.
    pub manner: Manner,
    /// Whether the log begins with a full tile.
    pub is_long: bool,
    /// Submissions that clients have.
    pub submissions: usize,
    /// Steps before the calm.
    pub steps: usize,
}

impl Scenario {
    /// Draws a scenario: half of them hold only what must be made good.
    pub fn draw(random: &mut Random) -> Self {
        let rate = |random: &mut Random, most: u64| match random.below(3) {
            0 => Rate(0),
            _ => Rate(random.below(most + 1)),
        };
        let mut scenario = Self {
            disk: DiskFaults {
                write_fails: rate(random, 30),
                write_dies: rate(random, 30),
                read_fails: rate(random, 2),
                ..DiskFaults::default()
            },
            kill: rate(random, 15),
            power_cut: rate(random, 15),
            background_error: rate(random, 5),
            room_changes: rate(random, 10),
            message_lost: rate(random, 150),
            message_twice: rate(random, 100),
            witness_stops: rate(random, 20),
            witness_write_fails: rate(random, 30),
            clock_jumps: rate(random, 10),
            rot: Rate(0),
            pool_flips: Rate(0),
            put_back: Rate(0),
            clone: Rate(0),
            torn_anchor: Rate(0),
            policy_changes: rate(random, 300),
            manner: Manner::Honest,
            is_long: random.below(4) == 0,
            submissions: 5 + super::disk::pick(random, 30),
            steps: 150 + super::disk::pick(random, 500),
        };
        match random.below(14) {
            0 => scenario.rot = Rate(5),
            1 => scenario.disk.read_flips = Rate(1 + random.below(3)),
            2 => scenario.disk.write_flips = Rate(5 + random.below(20)),
            3 => scenario.pool_flips = Rate(30),
            4 => scenario.put_back = Rate(10),
            5 => scenario.clone = Rate(10),
            6 => {
                let manners = [
                    Manner::SignsAnything,
                    Manner::MakesUpSizes,
                    Manner::Denies,
                    Manner::ForeignKey,
                    Manner::Babbles,
                ];
                scenario.manner = manners[super::disk::pick(random, manners.len())];
                scenario.clone = rate(random, 10);
                // Two policies may have but one witness in common: let that one lie, and a copy
                // under each has a quorum. Nobody can build against that.
                if scenario.clone.0 > 0 {
                    scenario.policy_changes = Rate(0);
                }
            }
            7 => scenario.torn_anchor = Rate(5),
            8 => {
                // The witness that knows more than the copy is the one that is silent.
                scenario.put_back = Rate(20);
                scenario.witness_stops = Rate(20);
            }
            _ => {}
        }
        scenario
    }
}
