//! The log against plain maps: random records, syncs, faults, killed processes and power cuts.

use super::random::Random;
use super::world::World;
use super::{SETTINGS, batch, open};
use crate::{Fault, Log, SimulatedDisk, Store as _};

/// A log, and every state that it may be in after a crash.
struct Run {
    random: Random,
    disk: SimulatedDisk,
    log: Log<SimulatedDisk>,
    /// The state that was synced, and one for each record since.
    states: Vec<World>,
    next_sequence: u64,
    next_session: u64,
    crashes: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let disk = SimulatedDisk::default();
        let log = open(&disk);
        let (random, states) = (Random(seed), vec![World::default()]);
        Self { random, disk, log, states, next_sequence: 0, next_session: 0, crashes: 0 }
    }

    fn append(&mut self) {
        for _ in 0..=self.random.below(3) {
            let mut world = self.states.last().unwrap().clone();
            let next = (self.next_sequence, self.next_session);
            let mut batches = Vec::new();
            self.states.last().unwrap().invent(&mut self.random, next, &mut |record| {
                world.apply(record);
                batches.push(batch(std::slice::from_ref(record)));
            });
            for batch in batches {
                self.log.append(&batch);
                self.next_sequence += 1;
                self.next_session += 1;
                self.states.push(world.clone());
            }
        }
    }

    fn sync(&mut self) {
        if self.log.sync().is_ok() {
            self.states.drain(..self.states.len() - 1);
        }
    }

    /// Opens what is left, which must be one of the states since the last sync.
    fn crash(&mut self, percent_kept: u64) -> Result<(), String> {
        self.crashes += 1;
        let random = &mut self.random;
        let left = self.disk.cut_power(|| random.percent(percent_kept));
        let opened = Log::open(left.clone(), SETTINGS).map_err(|error| format!("{error:?}"));
        let (mut log, report) = opened?;
        let world = World::read(&mut log);
        if !self.states.contains(&world) {
            let differences: Vec<_> =
                self.states.iter().map(|state| state.differences(&world)).collect();
            return Err(format!("expected one of, found: {differences:#?}\n{report:?}"));
        }
        (self.disk, self.log, self.states) = (left, log, vec![world]);
        Ok(())
    }
}

fn run(seed: u64, steps: u64, fault: Fault) -> Result<u64, String> {
    let mut run = Run::new(seed);
    run.disk.set_fault(fault);
    for _ in 0..steps {
        run.append();
        let kind = run.random.below(100);
        match kind {
            0..50 => run.sync(),
            50..53 if fault == Fault::None => {
                run.disk.set_fault([Fault::Full, Fault::Sync][usize::from(kind == 50)]);
                run.sync();
                run.disk.set_fault(fault);
            }
            53..57 => {
                // 100 percent is a killed process, 0 a disk that wrote nothing ahead.
                let percent = run.random.pick(&[0, 10, 50, 90, 100]).unwrap();
                run.crash(percent)?;
                run.disk.set_fault(fault);
            }
            _ => {}
        }
    }
    run.sync();
    run.crash(0)?;
    Ok(run.crashes)
}

#[test]
fn what_was_synced_survives_and_the_rest_is_whole_or_gone() {
    let mut crashes = 0;
    for seed in 0..2_000 {
        crashes += run(seed, 60, Fault::None).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    assert!(crashes > 4_000, "{crashes}");
}

#[test]
fn long_lives_go_over_many_segments() {
    for seed in 0..20 {
        run(seed, 1_000, Fault::None).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

#[test]
fn without_the_sync_it_is_found_out() {
    let failed = (0..50).filter(|seed| run(*seed, 60, Fault::SilentSync).is_err()).count();
    assert_eq!(failed, 50, "what was acknowledged must be missing after a power cut");
}
