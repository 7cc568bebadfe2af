//! The log against plain maps: random records, syncs, faults, killed processes and power cuts.

use super::random::Random;
use super::world::World;
use super::{SETTINGS, batch};
use crate::{Durability, Fault, Log, LogSettings, SimulatedDisk, Store as _};

/// A log, and every state that it may be in after a crash.
struct Run {
    random: Random,
    disk: SimulatedDisk,
    log: Log<SimulatedDisk>,
    settings: LogSettings,
    /// The state that was synced, and one for each record since.
    states: Vec<World>,
    /// The states before, of which a power cut may leave one where nothing is synced.
    earlier: Vec<World>,
    lost: u64,
    next_sequence: u64,
    next_session: u64,
    crashes: u64,
}

impl Run {
    fn new(seed: u64, durability: Durability) -> Self {
        let disk = SimulatedDisk::default();
        let settings = LogSettings { durability, ..SETTINGS };
        let (log, _) = Log::open(disk.clone(), settings).unwrap();
        let (random, states, earlier) = (Random(seed), vec![World::default()], Vec::new());
        let (next_sequence, next_session, crashes, lost) = (0, 0, 0, 0);
        Self {
            random,
            disk,
            log,
            settings,
            states,
            earlier,
            lost,
            next_sequence,
            next_session,
            crashes,
        }
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
            let earlier = self.states.drain(..self.states.len() - 1);
            if self.settings.durability == Durability::Os {
                self.earlier.extend(earlier);
            }
        }
    }

    /// Opens what is left, which must be one of the states since the last sync.
    fn crash(&mut self, crash: Crash) -> Result<(), String> {
        self.crashes += 1;
        if self.random.percent(50) {
            self.disk.stop_after(self.random.below(12));
            self.sync();
        }
        let random = &mut self.random;
        let mut cut = |disk: &SimulatedDisk| match crash {
            Crash::Killed => disk.clone(),
            Crash::PowerCut(percent) => disk.cut_power(|| random.percent(percent)),
        };
        let mut left = cut(&self.disk);
        // The next process may end like the one before while it starts.
        for changes in (0..self.crashes % 4).map(|nth| (self.crashes / 4 + nth * 5) % 12) {
            left.stop_after(changes);
            drop(Log::open(left.clone(), self.settings));
            left = cut(&left);
        }
        left.go_on();
        let opened = Log::open(left.clone(), self.settings).map_err(|error| format!("{error:?}"));
        let (mut log, report) = opened?;
        let world = World::read(&mut log);
        let is_there = self.states.contains(&world);
        let may_be_gone =
            matches!(crash, Crash::PowerCut(_)) && self.settings.durability == Durability::Os;
        let is_right = is_there || may_be_gone && self.earlier.contains(&world);
        if !is_right {
            let differences: Vec<_> =
                self.states.iter().map(|state| state.differences(&world)).collect();
            return Err(format!("expected one of, found: {differences:#?}\n{report:?}"));
        }
        self.lost += u64::from(!is_there);
        if self.settings.durability == Durability::Os {
            // What is there now is as little synced as before.
            let before = self.states.iter().take_while(|state| **state != world);
            self.earlier.extend(before.cloned());
        }
        (self.disk, self.log, self.states) = (left, log, vec![world]);
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Crash {
    /// The system goes on, with all that it was handed.
    Killed,
    /// So many percent of what was not synced are kept.
    PowerCut(u64),
}

fn run(seed: u64, steps: u64, fault: Fault) -> Result<u64, String> {
    run_as(Durability::Disk, seed, steps, fault).map(|run| run.crashes)
}

fn run_as(durability: Durability, seed: u64, steps: u64, fault: Fault) -> Result<Run, String> {
    let mut run = Run::new(seed, durability);
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
                // 0 is a disk that wrote nothing ahead.
                let percent = run.random.pick(&[0, 10, 50, 90, 100]).unwrap();
                run.crash(Crash::PowerCut(percent))?;
                run.disk.set_fault(fault);
            }
            57..60 => run.crash(Crash::Killed)?,
            _ => {}
        }
    }
    run.sync();
    run.crash(Crash::Killed)?;
    run.sync();
    run.crash(Crash::PowerCut(0))?;
    Ok(run)
}

#[test]
fn what_was_synced_survives_and_the_rest_is_whole_or_gone() {
    let mut crashes = 0;
    for seed in 0..1_000 {
        crashes += run(seed, 60, Fault::None).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
    assert!(crashes > 4_000, "{crashes}");
}

#[test]
fn long_lives_go_over_many_segments() {
    for seed in 0..12 {
        run(seed, 1_000, Fault::None).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}

#[test]
fn without_the_sync_it_is_found_out() {
    let failed = (0..50).filter(|seed| run(*seed, 60, Fault::SilentSync).is_err()).count();
    assert_eq!(failed, 50, "what was acknowledged must be missing after a power cut");
}

/// A killed process loses nothing; a power cut takes something, and what it leaves is whole.
#[test]
fn what_the_system_was_handed_survives_the_process_but_no_power_cut() {
    let (mut crashes, mut lost) = (0, 0);
    for seed in 0..400 {
        let run = run_as(Durability::Os, seed, 60, Fault::None);
        let run = run.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        crashes += run.crashes;
        lost += run.lost;
    }
    assert!(crashes > 1_500 && lost > 300, "{lost} of {crashes}");
    for seed in 0..8 {
        let run = run_as(Durability::Os, seed, 1_000, Fault::None);
        run.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}
