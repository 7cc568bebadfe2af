//! [`Overlaps`]: which of many denials overlap a filter, found without a look at each.

use std::collections::BTreeMap;

use flux_topic::TopicFilter;
use hashbrown::{DefaultHashBuilder, HashMap};

use super::template::{Template, TemplateLevel};
use super::tree::{Asker, filter_with_least_levels, with_least_levels};

/// Denials as sets of bits: for each level and each literal, those that have it there.
///
/// A tree is no help for `+/+/x/#`: it would be walked whole. Here a question costs one look for each of its levels,
/// and a few steps for each 64 denials of the asker's roles. See [`TopicFilter::overlaps`].
#[derive(Default)]
pub(super) struct Overlaps {
    /// By their own numbers: the numbers of the rules, in ascending order.
    rules: Vec<usize>,
    /// The roles that have some, in ascending order, each with where its own end.
    ends: Vec<(usize, usize)>,
    /// One more than any denial has.
    levels: Vec<Level>,
    /// Those with a `#`.
    endless: Denials,
    /// Those that have a placeholder anywhere, by its number.
    placeholders: BTreeMap<usize, Denials>,
}

/// What the denials have in one level.
#[derive(Default)]
struct Level {
    literals: HashMap<Box<str>, Denials, DefaultHashBuilder>,
    /// By the numbers of the placeholders.
    placeholders: BTreeMap<usize, Denials>,
    /// Those that take any literal: `+` here, or `#` here or before.
    open: Denials,
    /// Those that a `+` meets: all that have a level here but, in the first, names that begin with `$`.
    met: Denials,
    /// Those that a filter may meet that ends before this level: they end there too, or have a `#` by then.
    ended: Denials,
}

impl Overlaps {
    /// Adds a denial. They come in the order of their rules, and so of their roles.
    pub(super) fn insert(&mut self, template: &Template, rule: usize, role: usize) {
        let denial = self.rules.len();
        self.rules.push(rule);
        match self.ends.last_mut() {
            Some((last, end)) if *last == role => *end = denial + 1,
            _ => self.ends.push((role, denial + 1)),
        }
        let levels = with_least_levels(&template.levels);
        let is_endless = levels.last() == Some(&&TemplateLevel::Hash);
        let count = levels.len() - usize::from(is_endless);
        while self.levels.len() <= count {
            let endless = || self.endless.clone();
            let (open, met, ended) = (endless(), endless(), endless());
            self.levels.push(Level { open, met, ended, ..Level::default() });
        }
        if is_endless {
            self.endless.add(denial);
        }
        for (depth, level) in self.levels.iter_mut().enumerate() {
            match levels.get(depth) {
                Some(TemplateLevel::Literal(name)) => {
                    level.literals.entry_ref(&**name).or_default().add(denial);
                    if depth > 0 || !name.starts_with('$') {
                        level.met.add(denial);
                    }
                }
                Some(TemplateLevel::Placeholder(number)) => {
                    level.placeholders.entry(*number).or_default().add(denial);
                    self.placeholders.entry(*number).or_default().add(denial);
                    level.met.add(denial);
                }
                Some(TemplateLevel::Plus) => {
                    level.open.add(denial);
                    level.met.add(denial);
                }
                Some(TemplateLevel::Hash) | None if is_endless => {
                    level.open.add(denial);
                    level.met.add(denial);
                    level.ended.add(denial);
                }
                Some(TemplateLevel::Hash) | None if depth == count => level.ended.add(denial),
                Some(TemplateLevel::Hash) | None => {}
            }
        }
    }

    /// Returns the first rule whose filter overlaps the pattern of `filter`.
    pub(super) fn first(&self, filter: &TopicFilter, asker: Asker<'_>) -> Option<usize> {
        let least = filter_with_least_levels(filter);
        let wanted = self.wanted(least.as_ref().unwrap_or(filter));
        let barred = self.barred(asker);
        self.held(asker).words.iter().find_map(|(place, held)| {
            let word = wanted.iter().fold(*held, |word, wanted| match word {
                0 => 0,
                word => word & wanted.word(*place, asker),
            });
            let word = barred.iter().fold(word, |word, barred| word & !barred.word(*place));
            let denial = (word != 0).then(|| place * WORD + word.trailing_zeros() as usize)?;
            self.rules.get(denial).copied()
        })
    }

    /// Returns what a denial that overlaps must be in: one for each level, and one for the end.
    fn wanted<'a>(&'a self, filter: &'a TopicFilter) -> Vec<Wanted<'a>> {
        let is_reserved = filter.pattern().starts_with('$');
        let mut wanted = Vec::with_capacity(self.levels.len());
        let mut asked = filter.levels();
        for (depth, level) in self.levels.iter().enumerate() {
            match asked.next() {
                Some("#") => return wanted,
                Some("+") => wanted.push(Wanted::In(&level.met)),
                Some(name) => {
                    let open = Some(&level.open).filter(|_| depth > 0 || !is_reserved);
                    let literal = level.literals.get(name);
                    let placeholders = &level.placeholders;
                    wanted.push(Wanted::Name { name, literal, open, placeholders });
                }
                None => {
                    wanted.push(Wanted::In(&level.ended));
                    return wanted;
                }
            }
        }
        if asked.next() != Some("#") {
            wanted.push(Wanted::In(&self.endless));
        }
        wanted
    }

    /// Returns the denials of the asker's roles.
    fn held(&self, asker: Asker<'_>) -> Denials {
        let mut held = Denials::default();
        for role in asker.roles {
            let Ok(place) = self.ends.binary_search_by_key(role, |(role, _)| *role) else {
                continue;
            };
            let before = place.checked_sub(1).and_then(|before| self.ends.get(before));
            let end = self.ends.get(place).map_or(0, |(_, end)| *end);
            held.add_all(before.map_or(0, |(_, end)| *end), end);
        }
        held
    }

    /// Returns the denials with placeholders that the asker does not fill. Whoever chooses a name must not choose `$SYS`.
    fn barred(&self, asker: Asker<'_>) -> Vec<&Denials> {
        let unfilled =
            self.placeholders.iter().filter(|(number, _)| asker.value(**number).is_none());
        let first = self.levels.first().into_iter().flat_map(|level| &level.placeholders);
        let reserved = first.filter(|(number, _)| {
            asker.value(**number).is_some_and(|value| value.starts_with('$'))
        });
        unfilled.chain(reserved).map(|(_, denials)| denials).collect()
    }
}

/// What a denial must be in that overlaps a filter.
enum Wanted<'a> {
    In(&'a Denials),
    /// The filter has a literal: so has the denial, or it takes any, or the asker has it for a placeholder.
    Name {
        name: &'a str,
        literal: Option<&'a Denials>,
        open: Option<&'a Denials>,
        placeholders: &'a BTreeMap<usize, Denials>,
    },
}

impl Wanted<'_> {
    fn word(&self, place: usize, asker: Asker<'_>) -> u64 {
        match self {
            Self::In(denials) => denials.word(place),
            Self::Name { name, literal, open, placeholders } => {
                let filled = placeholders.iter().filter(|it| asker.value(*it.0) == Some(name));
                let filled = filled.map(|(_, denials)| denials);
                let any = literal.iter().chain(open).copied().chain(filled);
                any.fold(0, |word, denials| word | denials.word(place))
            }
        }
    }
}

/// A set of denials.
#[derive(Clone, Default)]
struct Denials {
    /// 64 of them each, in ascending order, without those that would be empty.
    words: Vec<(usize, u64)>,
}

impl Denials {
    /// Adds one that comes behind all that are in.
    fn add(&mut self, denial: usize) {
        self.add_all(denial, denial + 1);
    }

    /// Adds those from `start` to before `end`, which come behind all that are in.
    fn add_all(&mut self, start: usize, end: usize) {
        for place in start / WORD..end.div_ceil(WORD) {
            let first = place * WORD;
            let from = u64::MAX << start.saturating_sub(first);
            let to = u64::MAX >> (first + WORD).saturating_sub(end);
            match self.words.last_mut() {
                Some((last, word)) if *last == place => *word |= from & to,
                _ => self.words.push((place, from & to)),
            }
        }
    }

    fn word(&self, place: usize) -> u64 {
        let found = self.words.binary_search_by_key(&place, |(place, _)| *place);
        found.ok().and_then(|at| self.words.get(at)).map_or(0, |(_, word)| *word)
    }
}

const WORD: usize = 64;
