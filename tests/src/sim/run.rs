//! A run: storm, then calm, then judgement.

use service::Clock as _;

use super::disk::{Disk, Room, pick};
use super::faults::{Manner, Rate, Scenario};
use super::fodder;
use super::judge::Violation;
use super::world::{Machine, Packet, World};
use crate::random::Random;

/// What a run that found nothing did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    /// Lives of the server.
    pub lives: u64,
    /// Heads that were signed.
    pub signed: u64,
    /// Heads that were seen published.
    pub published: u64,
    /// Answers that clients got.
    pub answers: u64,
    /// Whether it ended with a log that stands still, for a reason.
    pub stood_still: u64,
}

impl Summary {
    /// Adds another run.
    pub fn add(&mut self, other: &Self) {
        self.lives += other.lives;
        self.signed += other.signed;
        self.published += other.published;
        self.answers += other.answers;
        self.stood_still += other.stood_still;
    }
}

/// A run that found something.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What must not have happened.
    pub violation: Violation,
    /// What happened, step by step, when it was asked for.
    pub trace: Vec<String>,
}

/// Steps in calm after which a log that works has answered everybody.
const CALM_STEPS_MAX: usize = 6_000;

/// Runs one seed.
///
/// # Errors
/// [`Failure`] when an invariant does not hold.
pub fn run(seed: u64, is_traced: bool) -> Result<Summary, Failure> {
    let mut random = Random::new(seed);
    let scenario = Scenario::draw(&mut random);
    let mut world = World::new(scenario, random);
    world.trace = is_traced.then(|| vec![format!("{:#?}", world.scenario)]);
    let outcome = storm(&mut world).and_then(|()| calm(&mut world));
    let trace = world.trace.take().unwrap_or_default();
    let (signed, published) = world.judge.heads();
    match outcome {
        Ok(stood_still) => Ok(Summary {
            lives: world.lives,
            signed,
            published,
            answers: world.judge.answered,
            stood_still: u64::from(stood_still),
        }),
        Err(violation) => Err(Failure { seed, violation, trace }),
    }
}

fn storm(world: &mut World) -> Result<(), Violation> {
    world.start(0)?;
    for _ in 0..world.scenario.steps {
        misfortune(world)?;
        step(world)?;
    }
    Ok(())
}

/// One thing that any part of the world may do next.
fn step(world: &mut World) -> Result<(), Violation> {
    match world.random.below(10) {
        0..=3 if !world.network.is_empty() => {
            let at = pick(&mut world.random, world.network.len());
            let packet = world.network.swap_remove(at);
            carry(world, packet)
        }
        4 => {
            let client = pick(&mut world.random, world.clients.len());
            if world.random.below(40) == 0 {
                let now_ms = world.clock.monotonic_millis();
                world.clients[client].give_up(now_ms);
            }
            world.send(client);
            Ok(())
        }
        5 => {
            let by_ms = world.random.below(200);
            pass(world, by_ms);
            Ok(())
        }
        _ => {
            let machine = pick(&mut world.random, world.machines.len());
            serve(world, machine)
        }
    }
}

/// The server of a machine does one of the things that it could do now.
fn serve(world: &mut World, machine: usize) -> Result<(), Violation> {
    let choice = world.random.below(4);
    let entries_max = 1 + pick(&mut world.random, 8);
    let Some(life) = &mut world.machines[machine].life else {
        // Somebody restarts it by and by; less often where it refused.
        let has_refused = world.machines[machine].refusal.is_some();
        let is_time = choice == 0 && (!has_refused || world.random.below(30) == 0);
        return if is_time { world.start(machine) } else { Ok(()) };
    };
    match choice {
        0 if life.has_batch() => life.sequence(entries_max),
        1 if life.has_task() => life.work(),
        2 if life.has_event() => life.hear(),
        3 => {
            if life.core.mode.is_read_only() && !world.is_calm && world.random.below(20) == 0 {
                world.crash(machine, false);
                return Ok(());
            }
            life.hear();
        }
        _ => return Ok(()),
    }
    world.look(machine)
}

/// The network hands a message over, loses it, or hands it over twice.
fn carry(world: &mut World, packet: Packet) -> Result<(), Violation> {
    if world.scenario.message_lost.happens(&mut world.random) {
        world.note(|| "a message is lost".to_owned());
        // Whoever sent it hears of a time-out.
        match packet {
            Packet::ToWitness { machine, life, id, round, .. }
            | Packet::FromWitness { machine, life, id, round, answer: Some(_) } => {
                world.network.push(Packet::FromWitness { machine, life, id, round, answer: None });
            }
            Packet::ToLog { client, .. } | Packet::ToClient { client, .. } => {
                let now_ms = world.clock.monotonic_millis();
                world.clients[client].give_up(now_ms);
            }
            Packet::FromWitness { .. } => return world.deliver(packet),
        }
        return Ok(());
    }
    if world.scenario.message_twice.happens(&mut world.random) {
        world.network.push(packet.clone());
    }
    world.deliver(packet)
}

fn pass(world: &mut World, by_ms: u64) {
    world.clock.advance_millis(by_ms);
    world.true_ms += by_ms;
}

/// What goes wrong with machines, clocks and witnesses.
fn misfortune(world: &mut World) -> Result<(), Violation> {
    let machine = pick(&mut world.random, world.machines.len());
    let happens = |world: &mut World, rate: Rate| rate.happens(&mut world.random);
    if happens(world, world.scenario.kill) {
        world.crash(machine, false);
    }
    if happens(world, world.scenario.power_cut) {
        world.crash(machine, true);
    }
    if happens(world, world.scenario.background_error) {
        world.note(|| format!("a flush of machine {machine} fails"));
        world.machines[machine].disk.fail_in_background();
    }
    if happens(world, world.scenario.room_changes) {
        let rooms = [Room::Plenty, Room::Plenty, Room::Little, Room::None];
        let room = rooms[pick(&mut world.random, rooms.len())];
        world.note(|| format!("the disk of machine {machine} has {room:?} room"));
        world.machines[machine].disk.fill(room);
    }
    if happens(world, world.scenario.torn_anchor) {
        world.crash(machine, true);
        world.malign.push("the anchor was torn");
        world.note(|| format!("half of the anchor of machine {machine} is gone"));
        world.machines[machine].disk.tear_anchor();
    }
    if happens(world, world.scenario.witness_stops) {
        let at = pick(&mut world.random, world.witnesses.len());
        let witness = &mut world.witnesses[at];
        witness.stop_or_start();
        world.note(|| format!("witness {at} stops or starts"));
    }
    if happens(world, world.scenario.clock_jumps) {
        jump(world);
    }
    if happens(world, world.scenario.rot) {
        world.malign.push("a bit on the disk flipped");
        world.judge.is_rotting = true;
        world.note(|| format!("a bit flips on the disk of machine {machine}"));
        world.machines[machine].disk.rot();
    }
    misdeed(world, machine)
}

fn jump(world: &mut World) {
    let far = i64::try_from(world.random.below(7_200_000)).unwrap_or(0) - 3_600_000;
    let ahead = match world.random.below(3) {
        0 => 0,
        1 => far,
        _ => far / 100,
    };
    if world.random.below(2) == 0 {
        let unix_ms = world.true_ms.saturating_add_signed(ahead);
        world.clock.set_unix_millis(unix_ms);
        world.note(|| format!("the log's clock is {ahead} ms ahead"));
    } else {
        let at = pick(&mut world.random, world.witnesses.len());
        world.witnesses[at].clock_ahead_s = ahead / 1000;
        world.note(|| format!("the clock of witness {at} is {ahead} ms ahead"));
    }
}

/// What an operator should not have done.
fn misdeed(world: &mut World, machine: usize) -> Result<(), Violation> {
    if world.scenario.put_back.0 + world.scenario.clone.0 == 0 {
        return Ok(());
    }
    if world.random.below(20) == 0 {
        world.copies.push(world.machines[machine].disk.copy());
    }
    if world.scenario.put_back.happens(&mut world.random) && !world.copies.is_empty() {
        // Often the newest: then few know what came after it.
        let newest = world.copies.len() - 1;
        let is_newest = world.random.below(2) == 0;
        let at = if is_newest { newest } else { pick(&mut world.random, newest + 1) };
        let (rows, anchor) = match world.random.below(3) {
            0 => (true, false),
            1 => (false, true),
            _ => (true, true),
        };
        world.crash(machine, false);
        world.machines[machine].disk.put_back(&world.copies[at], rows, anchor);
        world.malign.push("an older copy was put back");
        let is_marked = world.random.below(2) == 0;
        world.machines[machine].is_restored = is_marked;
        if is_marked {
            world.machines[machine].disk.mark_restored();
            // The machine before is long gone, and what it was about to say.
            world.network.retain(|it| !matches!(it, Packet::ToWitness { .. }));
        }
        // Under an older anchor there are two lives of one log; the database alone must be found.
        world.judge.has_two_lives |= anchor;
        if rows {
            world.judge.loses_rows();
        }
        world.note(|| {
            format!("copy {at} is put back: rows {rows}, anchor {anchor}, marked {is_marked}")
        });
    }
    if world.scenario.clone.happens(&mut world.random) && world.machines.len() == 1 {
        let copy = world.machines[0].disk.copy();
        let disk = Disk::with(&copy, world.scenario.disk, world.random.fork());
        world.machines.push(Machine::new(disk));
        world.malign.push("the machine was copied");
        world.judge.has_two_lives = true;
        world.note(|| "a copy of the machine starts beside it".to_owned());
        return world.start(1);
    }
    Ok(())
}

/// Everything heals; the log is restarted once. Returns whether it stands still, for a reason.
fn calm(world: &mut World) -> Result<bool, Violation> {
    quieten(world);
    world.start(0)?;
    for _ in 0..CALM_STEPS_MAX {
        // All may have been answered in the storm: it still has to find out where it stands.
        if is_answered(world) && !is_starting(world) {
            break;
        }
        step(world)?;
        calm_tick(world)?;
    }
    let at = &world.machines[0];
    let reason = match &at.life {
        Some(life) => life.read_only_because(),
        None => at.refusal.clone(),
    };
    let stands_still = reason.is_some() || !is_answered(world) || is_starting(world);
    if stands_still && world.malign.is_empty() {
        let mode = at.life.as_ref().map(|it| it.core.mode.current());
        return Err(Violation(format!(
            "no progress in calm after faults that must be made good: {reason:?}, {mode:?}"
        )));
    }
    if stands_still && reason.as_ref().is_none_or(String::is_empty) {
        let waits = at.life.as_ref().is_some_and(|it| !it.core.mode.is_running());
        if !waits {
            let state = at.life.as_ref().map(super::life::Life::in_words);
            return Err(Violation(format!("it stands still and does not say why: {state:?}")));
        }
    }
    // What an operator or a bit has damaged stops the log, and is not mended by judging it; a log
    // that goes on has everything.
    if !stands_still || world.malign.is_empty() {
        let record_of = |it: usize| fodder::fodder().sendable[it].record.clone();
        let entries = world.machines[0].disk.entries();
        match world.judge.all_is_there(&entries, record_of) {
            Err(_) if world.judge.is_rotting => {}
            verdict => verdict?,
        }
    }
    Ok(stands_still)
}

fn is_answered(world: &World) -> bool {
    world.clients.iter().all(super::client::SimClient::is_done)
}

fn is_starting(world: &World) -> bool {
    let life = world.machines[0].life.as_ref();
    life.is_some_and(|it| !it.core.mode.is_running() && !it.core.mode.is_read_only())
}

fn quieten(world: &mut World) {
    world.note(|| "calm".to_owned());
    world.is_calm = true;
    if world.scenario.disk.read_flips.0 + world.scenario.disk.write_flips.0 > 0 {
        world.malign.push("bits flipped in memory");
    }
    world.scenario = Scenario {
        disk: super::faults::DiskFaults::default(),
        kill: Rate(0),
        power_cut: Rate(0),
        background_error: Rate(0),
        room_changes: Rate(0),
        message_lost: Rate(0),
        message_twice: Rate(0),
        witness_stops: Rate(0),
        witness_write_fails: Rate(0),
        clock_jumps: Rate(0),
        rot: Rate(0),
        pool_flips: Rate(0),
        put_back: Rate(0),
        clone: Rate(0),
        torn_anchor: Rate(0),
        policy_changes: Rate(0),
        ..world.scenario.clone()
    };
    for machine in 0..world.machines.len() {
        world.crash(machine, false);
        world.machines[machine].disk.heal();
    }
    // The operator finds out, and shuts the copy of his machine down.
    world.machines.truncate(1);
    world.network.clear();
    let now_ms = world.clock.monotonic_millis();
    world.clients.iter_mut().for_each(|it| it.give_up(now_ms));
    world.clock.set_unix_millis(world.true_ms);
    for witness in &mut world.witnesses {
        witness.clock_ahead_s = 0;
        witness.manner = Manner::Honest;
        witness.stop();
        witness.start();
    }
}

/// In calm nobody dawdles: whatever can be done is done, and time passes.
fn calm_tick(world: &mut World) -> Result<(), Violation> {
    if world.random.below(4) == 0 {
        pass(world, 50);
    }
    for machine in 0..world.machines.len() {
        let Some(life) = &mut world.machines[machine].life else { continue };
        life.sequence(64);
        life.work();
        if life.has_event() {
            life.hear();
        }
        world.look(machine)?;
    }
    Ok(())
}
