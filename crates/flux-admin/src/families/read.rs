//! How series are read from what is known of a broker.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use flux_eventbus::DropReason;
use flux_mqtt::{
    Count, PacketType, QoS, ReasonCode, SessionView, StoreHealth, Version, WorkerView,
};
use flux_tls::CertificateInUse;

use super::Sample;
use crate::{ExportSignal, Snapshot};

pub(super) fn one(number: usize) -> Vec<Sample> {
    vec![alone(whole(number))]
}

pub(super) fn named(name: &str, number: usize) -> Sample {
    sample(name.to_owned(), whole(number))
}

pub(super) fn workers(snapshot: &Snapshot, read: impl Fn(&WorkerView) -> i64) -> Vec<Sample> {
    let workers = snapshot.workers.iter().enumerate();
    workers.map(|(number, worker)| sample(number.to_string(), read(worker))).collect()
}

pub(super) fn clients(snapshot: &Snapshot) -> Vec<Sample> {
    let sample = |(listener, version, count): &(Arc<str>, Version, usize)| Sample {
        values: vec![Cow::Owned((**listener).to_owned()), version.name().into()],
        number: whole(*count),
    };
    snapshot.clients.iter().map(sample).collect()
}

/// Those who are furthest behind, by rank: a series for each client that ever was behind would have no end.
pub(super) fn behind(snapshot: &Snapshot, read: impl Fn(&SessionView) -> i64) -> Vec<Sample> {
    let behind = (1_u8..).zip(&snapshot.census.behind);
    behind.map(|(rank, it)| sample(rank.to_string(), read(it))).collect()
}

/// One series for each file and subject, however many settings name the file. One that failed to read it again may still
/// have an older certificate than another: then that which expires first counts.
pub(super) fn certificates(in_use: &[CertificateInUse]) -> Vec<Sample> {
    let mut first: BTreeMap<_, i64> = BTreeMap::new();
    for it in in_use {
        let values = [it.path.display().to_string(), it.subject.clone()];
        let expiry = first.entry(values).or_insert(it.not_after);
        *expiry = it.not_after.min(*expiry);
    }
    let series = |(values, number): ([String; 2], _)| Sample {
        values: values.map(Into::into).into(),
        number,
    };
    first.into_iter().map(series).collect()
}

pub(crate) fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn both(numbers: [(&'static str, usize); 2]) -> Vec<Sample> {
    numbers.map(|(name, number)| sample(name, whole(number))).to_vec()
}

pub(super) fn count(snapshot: &Snapshot, what: Count) -> Vec<Sample> {
    vec![alone(number(snapshot.counters.of(what)))]
}

/// A series for each of these, whether or not it ever happened: what is missing cannot be told from what stopped.
pub(super) fn each<T>(
    snapshot: &Snapshot,
    of: impl IntoIterator<Item = (T, &'static str)>,
    what: impl Fn(T) -> Count,
) -> Vec<Sample> {
    let series = |(it, name)| sample(name, number(snapshot.counters.of(what(it))));
    of.into_iter().map(series).collect()
}

/// Without a store there is no series.
pub(super) fn store(snapshot: &Snapshot, read: impl Fn(&StoreHealth) -> usize) -> Vec<Sample> {
    snapshot.store.iter().flat_map(|store| one(read(store))).collect()
}

/// Without an exporter there is no series.
pub(super) fn exports_failed(snapshot: &Snapshot) -> Vec<Sample> {
    let Some(exported) = &snapshot.exported else { return Vec::new() };
    ExportSignal::ALL.map(|it| sample(it.name(), number(exported.failures(it)))).to_vec()
}

/// The same.
pub(super) fn spans_dropped(snapshot: &Snapshot) -> Vec<Sample> {
    snapshot.exported.iter().map(|exported| alone(number(exported.spans_dropped()))).collect()
}

pub(super) fn held(snapshot: &Snapshot) -> Vec<Sample> {
    let held = &snapshot.holdings;
    let kinds = [
        ("sessions", held.sessions),
        ("shared", held.shared),
        ("retained", held.retained),
        ("unsent", held.unsent),
        ("unread", held.unread),
    ];
    kinds.into_iter().map(|(kind, bytes)| sample(kind, number(bytes))).collect()
}

pub(super) fn most_held(snapshot: &Snapshot) -> Vec<Sample> {
    let all = sample("all", number(snapshot.limits.bytes));
    vec![all, sample("retained", whole(snapshot.retained_limits.bytes))]
}

/// A series of a metric with one label.
pub(super) fn sample(value: impl Into<Cow<'static, str>>, number: i64) -> Sample {
    Sample { values: vec![value.into()], number }
}

/// The series of a metric without labels.
const fn alone(number: i64) -> Sample {
    Sample { values: Vec::new(), number }
}

pub(super) fn versions() -> impl Iterator<Item = (Version, &'static str)> {
    Version::ALL.into_iter().map(|version| (version, version.name()))
}

/// Why messages are dropped for somebody, or are not retained.
pub(super) fn drop_reasons(of_retained: bool) -> impl Iterator<Item = (DropReason, &'static str)> {
    let reasons = DropReason::ALL.into_iter();
    reasons.filter(move |it| it.is_of_retained() == of_retained).map(|it| (it, it.name()))
}

pub(super) fn packets() -> impl Iterator<Item = (PacketType, &'static str)> {
    PacketType::ALL.into_iter().map(|packet| (packet, packet.name()))
}

pub(super) fn failures() -> impl Iterator<Item = (ReasonCode, &'static str)> {
    ReasonCode::FAILURES.into_iter().map(|code| (code, code.description()))
}

pub(crate) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) const QOS: [(QoS, &str); 3] =
    [(QoS::AtMostOnce, "0"), (QoS::AtLeastOnce, "1"), (QoS::ExactlyOnce, "2")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_one_series_and_the_first_to_expire_of_it_counts() {
        let in_use = |path: &str, subject: &str, not_after| CertificateInUse {
            path: path.into(),
            subject: subject.into(),
            not_after,
        };
        let all = [
            in_use("b", "CN=x", 7),
            in_use("a", "CN=x", 9),
            in_use("b", "CN=x", 5),
            in_use("b", "CN=x", 6),
        ];
        let series = |path, subject, number| Sample {
            values: vec![Cow::Borrowed(path), Cow::Borrowed(subject)],
            number,
        };
        assert_eq!(certificates(&all), [series("a", "CN=x", 9), series("b", "CN=x", 5)]);
    }
}
