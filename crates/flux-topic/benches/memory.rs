//! What a subscription takes: the bytes that a tree asks the allocator for, divided by its
//! subscriptions. A table, not a time; the same on every 64-bit machine.

use std::alloc::System;
use std::error::Error;

use flux_topic::{SubscriptionTree, TopicFilter};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[expect(clippy::print_stdout, reason = "the table is what this is for")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("| subscriptions | bytes each | allocations each |");
    println!("|---|---|---|");
    measure("`fleet/{id}/cmd`", |n| format!("fleet/{n}/cmd"))?;
    measure("`fleet/{id}/+/state`", |n| format!("fleet/{n}/+/state"))?;
    measure("`tenant-{id}/#`", |n| format!("tenant-{n}/#"))?;
    measure("`fleet/{uuid}/cmd`", |n| format!("fleet/123e4567-e89b-12d3-a456-{n:012}/cmd"))?;
    measure("`alarm/{id}`, 100 of each", |n| format!("alarm/{}", n / 100))?;
    Ok(())
}

/// Prints what subscriptions take, with keys of 8 bytes and values of 16: the least and the most
/// while the tree grows to a million, from the moment it holds half of them.
#[expect(clippy::print_stdout, reason = "the table is what this is for")]
fn measure(name: &str, filter: fn(u64) -> String) -> Result<(), Box<dyn Error>> {
    const COUNT: u64 = 1_000_000;
    let region = Region::new(ALLOCATOR);
    let mut tree = SubscriptionTree::new();
    let (mut least, mut most, mut blocks) = (usize::MAX, 0, 0);
    for key in 0..COUNT {
        tree.insert(&TopicFilter::parse(&filter(key))?, key, [0_u64; 2]);
        if key >= COUNT / 2 {
            let held = region.change();
            let bytes = (held.bytes_allocated - held.bytes_deallocated) / tree.len();
            (least, most) = (least.min(bytes), most.max(bytes));
            blocks = (held.allocations - held.deallocations) * 100 / tree.len();
        }
    }
    println!("| {name} | {least} to {most} | {}.{:02} |", blocks / 100, blocks % 100);
    Ok(())
}
