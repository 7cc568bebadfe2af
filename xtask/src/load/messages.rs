//! Messages from publishers to subscribers, whoever else is there.

use anyhow::Result;

use super::Target;
use super::beside::{Beside, Churn, holders, restless};
use super::flow::Flow;
use super::meter::Meter;
use super::outcome::{Latency, Outcome};
use super::traffic::{Shape, Traffic};
use crate::clock::Stopwatch;
use crate::stress::visitors::Visitors;

/// Has messages delivered until the time is over.
pub(super) fn run(target: &Target, traffic: Traffic, beside: Beside) -> Result<Outcome> {
    match beside {
        Beside::Nobody => deliver(target, traffic, &mut ready(target, traffic)?),
        Beside::Filters(filters) => {
            let _holders = holders(target.address, target.version, filters)?;
            deliver(target, traffic, &mut ready(target, traffic)?)
        }
        Beside::Visitors(per_second) => among_visitors(target, traffic, per_second),
    }
}

/// Takes from the broker's time what as many visitors take when nobody else is there.
fn among_visitors(target: &Target, traffic: Traffic, per_second: u64) -> Result<Outcome> {
    let mut alone = Visitors::new(target.address, restless(target.version))?;
    let mut meter = Meter::new(target.broker);
    let watch = Stopwatch::start();
    meter.measure(|| alone.come_at(per_second, |_| watch.elapsed() >= target.time))?;
    let each = meter.broker().as_secs_f64() / alone.left().max(1) as f64;

    let mut flow = ready(target, traffic)?;
    let churn = Churn::start(target.address, target.version, per_second)?;
    let outcome = deliver(target, traffic, &mut flow);
    let visitors = churn.left();
    churn.finish()?;
    let theirs = each * 1e6 * visitors as f64;
    Ok(outcome?.without(theirs))
}

/// Connects everybody and warms up.
fn ready(target: &Target, traffic: Traffic) -> Result<Flow> {
    let mut flow = Flow::connect(target.address, target.version, traffic)?;
    flow.run(WARM_UP)?;
    drop(flow.take_latency());
    Ok(flow)
}

fn deliver(target: &Target, traffic: Traffic, flow: &mut Flow) -> Result<Outcome> {
    let copies = traffic.copies() * traffic.publishers() as u64;
    let each = traffic.each(target.messages, target.time.as_secs());
    let before = flow.delivered();
    let mut expected = 0;
    let mut meter = Meter::new(target.broker);
    let watch = Stopwatch::start();
    meter.measure(|| {
        loop {
            flow.run(each)?;
            expected += each * copies;
            // A loss does not heal: going on would only wait once more.
            let is_lossy = flow.delivered() - before < expected;
            // A queue has a limit.
            let is_once = matches!(traffic.shape, Shape::Away(_));
            if is_lossy || is_once || watch.elapsed() >= target.time {
                return Ok(());
            }
        }
    })?;
    let latency = Latency::of(&flow.take_latency());
    Ok(Outcome { latency, ..meter.outcome(expected, flow.delivered() - before) })
}

/// Messages of each publisher before the measurement, so that caches and buffers have their size.
const WARM_UP: u64 = 100;
