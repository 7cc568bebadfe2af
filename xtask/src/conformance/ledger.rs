//! The data behind the page: what each statement says in our words, whom it binds, and what shows
//! that our broker keeps it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use flux_conformance::{Case, Version, cases};
use serde::Deserialize;

use super::number::Number;

/// Both standards, statement by statement.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) standards: [Standard; 2],
    /// What the standards say without a number.
    pub(crate) also: Vec<Unnumbered>,
}

/// One version of the standard.
#[derive(Debug)]
pub(crate) struct Standard {
    pub(crate) name: &'static str,
    version: Version,
    /// Every statement of the standard, whether it has a row or not.
    numbers: Vec<Number>,
    pub(crate) rows: BTreeMap<Number, Row>,
}

/// One statement.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) says: String,
    pub(crate) binds: Binds,
    pub(crate) status: Status,
    /// The statement of MQTT 5.0 that says the same.
    pub(crate) same: Option<Number>,
}

/// Something that a section says without giving it a number.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unnumbered {
    pub(crate) section: String,
    pub(crate) says: String,
    pub(crate) tested: Vec<String>,
}

/// Whom a statement binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Binds {
    Server,
    Client,
    Both,
}

/// What is known about our broker and a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// These cases fail if the broker breaks it.
    Tested(Vec<String>),
    /// There is nothing that our broker could break, and why.
    NotApplicable(String),
    /// The standard leaves a choice: which one we made, and the cases that hold us to it.
    ByChoice(String, Vec<String>),
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    numbers_of_v5: String,
    numbers_of_v3: String,
    v5: BTreeMap<String, Entry>,
    v3: BTreeMap<String, Entry>,
    #[serde(default)]
    also: Vec<Unnumbered>,
}

/// A row as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Entry {
    /// This statement of MQTT 5.0, in all that is not written here.
    r#as: Option<Number>,
    says: Option<String>,
    binds: Option<Binds>,
    #[serde(default)]
    tested: Vec<String>,
    not_applicable: Option<String>,
    by_choice: Option<String>,
}

impl Ledger {
    /// Reads the data file.
    ///
    /// # Errors
    ///
    /// When it is not TOML of this shape, or a row is not complete.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text)?;
        let v5 = Standard::new("MQTT 5.0", Version::V5, &file.numbers_of_v5, file.v5, None)?;
        let v3 =
            Standard::new("MQTT 3.1.1", Version::V311, &file.numbers_of_v3, file.v3, Some(&v5))?;
        Ok(Self { standards: [v5, v3], also: file.also })
    }

    /// Everything that is wrong with the rows, in sentences.
    pub(crate) fn errors(&self) -> Vec<String> {
        let mut errors: Vec<_> = self.standards.iter().flat_map(Standard::errors).collect();
        let unnumbered = || self.also.iter().flat_map(|row| &row.tested).map(String::as_str);
        for case in unnumbered().filter(|case| find(case).is_none()) {
            errors.push(format!("there is no case {case}"));
        }
        let numbered = self.standards.iter().flat_map(Standard::cases);
        let named: BTreeSet<&str> = numbered.chain(unnumbered()).collect();
        for case in cases().filter(|case| !named.contains(case.name)) {
            errors.push(format!("the case {} proves no statement", case.name));
        }
        errors
    }

    /// The counts of all statuses in a line.
    pub(crate) fn summary(&self) -> String {
        let standards = self.standards.iter().map(|standard| {
            let [tested, by_choice, not_applicable] = standard.counts();
            format!(
                "{}: {} statements, {tested} tested, {by_choice} by choice, {not_applicable} not applicable",
                standard.name,
                standard.rows.len()
            )
        });
        standards.collect::<Vec<_>>().join("; ")
    }
}

impl Standard {
    fn new(
        name: &'static str,
        version: Version,
        numbers: &str,
        entries: BTreeMap<String, Entry>,
        other: Option<&Self>,
    ) -> Result<Self> {
        let mut rows = BTreeMap::new();
        for (number, entry) in entries {
            let row = entry.row(other, version).with_context(|| format!("{name}, {number}"))?;
            rows.insert(number.parse()?, row);
        }
        Ok(Self { name, version, numbers: Number::list(numbers)?, rows })
    }

    fn errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        let name = self.name;
        for number in self.numbers.iter().filter(|number| !self.rows.contains_key(number)) {
            errors.push(format!("{name} {number} has no row"));
        }
        for number in self.rows.keys().filter(|number| !self.numbers.contains(number)) {
            errors.push(format!("{name} {number} is no statement"));
        }
        for (number, row) in &self.rows {
            for case in row.status.cases() {
                match find(case) {
                    None => errors.push(format!("{name} {number}: there is no case {case}")),
                    Some(case) if !case.versions.contains(&self.version) => {
                        errors
                            .push(format!("{name} {number}: {} is of another version", case.name));
                    }
                    Some(_) => {}
                }
            }
        }
        errors
    }

    fn cases(&self) -> impl Iterator<Item = &str> {
        self.rows.values().flat_map(|row| row.status.cases())
    }

    /// How many statements are tested, by choice, and not applicable.
    pub(crate) fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        let [tested, by_choice, not_applicable] = &mut counts;
        for row in self.rows.values() {
            *match row.status {
                Status::Tested(_) => &mut *tested,
                Status::ByChoice(..) => &mut *by_choice,
                Status::NotApplicable(_) => &mut *not_applicable,
            } += 1;
        }
        counts
    }
}

impl Status {
    pub(crate) fn cases(&self) -> impl Iterator<Item = &str> {
        let cases: &[String] = match self {
            Self::Tested(cases) | Self::ByChoice(_, cases) => cases,
            Self::NotApplicable(_) => &[],
        };
        cases.iter().map(String::as_str)
    }
}

impl Entry {
    fn row(self, other: Option<&Standard>, version: Version) -> Result<Row> {
        let same = match &self.r#as {
            Some(number) => Some(
                other
                    .and_then(|other| other.rows.get(number))
                    .with_context(|| format!("there is no row {number} to be the same as"))?,
            ),
            None => None,
        };
        let own = match (self.tested, self.not_applicable, self.by_choice) {
            (cases, None, None) if !cases.is_empty() => Some(Status::Tested(cases)),
            (cases, Some(why), None) if cases.is_empty() => Some(Status::NotApplicable(why)),
            (cases, None, Some(which)) => Some(Status::ByChoice(which, cases)),
            (cases, None, None) if cases.is_empty() => None,
            _ => anyhow::bail!("a row has one status"),
        };
        let inherited = || same.map(|row| row.status.of_version(version));
        Ok(Row {
            says: self
                .says
                .or_else(|| same.map(|row| row.says.clone()))
                .context("a row says what its statement says")?,
            binds: self
                .binds
                .or_else(|| same.map(|row| row.binds))
                .context("a row says whom its statement binds")?,
            status: own.or_else(inherited).context("a row has a status")?,
            same: self.r#as,
        })
    }
}

impl Status {
    /// The same with the cases that are of this version.
    fn of_version(&self, version: Version) -> Self {
        let keep = |cases: &[String]| -> Vec<String> {
            let is_of_version =
                |name: &str| find(name).is_none_or(|case| case.versions.contains(&version));
            cases.iter().filter(|name| is_of_version(name)).cloned().collect()
        };
        match self {
            Self::Tested(cases) => Self::Tested(keep(cases)),
            Self::ByChoice(which, cases) => Self::ByChoice(which.clone(), keep(cases)),
            Self::NotApplicable(why) => Self::NotApplicable(why.clone()),
        }
    }
}

fn find(name: &str) -> Option<&'static Case> {
    cases().find(|case| case.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(v5: &str, v3: &str) -> Result<Ledger> {
        let numbers = "numbers-of-v5 = \"1.5.4-1..2\"\nnumbers-of-v3 = \"1.5.3-1\"\n";
        Ledger::parse(&format!("{numbers}[v5]\n{v5}\n[v3]\n{v3}\n"))
    }

    const ONE: &str =
        r#""1.5.4-1" = { binds = "both", says = "a", tested = ["a_ping_is_answered"] }"#;
    const TWO: &str = r#""1.5.4-2" = { binds = "client", says = "b", not-applicable = "unseen" }"#;
    const SAME: &str = r#""1.5.3-1" = { as = "1.5.4-1" }"#;

    /// The first sentence about what is wrong.
    #[track_caller]
    fn check(v5: &str, v3: &str, expected: &str) {
        let first = match ledger(v5, v3) {
            Ok(ledger) => ledger.errors().into_iter().next().unwrap_or_default(),
            Err(error) => format!("{error:#}"),
        };
        assert!(first.contains(expected), "{expected}: {first}");
    }

    #[test]
    fn what_is_wrong_with_a_ledger_is_said() {
        let both = format!("{ONE}\n{TWO}");
        check(ONE, SAME, "MQTT 5.0 1.5.4-2 has no row");
        check(&both, "", "MQTT 3.1.1 1.5.3-1 has no row");
        check(&format!("{both}\n{}", TWO.replace("4-2", "4-3")), SAME, "1.5.4-3 is no statement");
        check(&both.replace("a_ping", "no_ping"), SAME, "there is no case no_ping_is_answered");
        check(&both, &SAME.replace("4-1", "4-7"), "no row 1.5.4-7");
        check(&both.replace("tested = [\"a_ping_is_answered\"]", "tested = []"), SAME, "status");
        let of_v5 = "an_unknown_authentication_method_is_refused";
        let tested = format!(r#""1.5.3-1" = {{ as = "1.5.4-1", tested = ["{of_v5}"] }}"#);
        check(&both, &tested, "is of another version");
        check(&both, SAME, "proves no statement");
    }

    #[test]
    fn a_row_may_be_as_another() {
        let ledger = ledger(&format!("{ONE}\n{TWO}"), SAME).unwrap();
        let [_, v3] = &ledger.standards;
        let row = v3.rows.values().next().unwrap();
        assert_eq!((row.says.as_str(), row.binds), ("a", Binds::Both));
        assert_eq!(row.status, Status::Tested(vec!["a_ping_is_answered".to_owned()]));
    }
}
