//! The tree against a plain map of topics: every operation, every answer.

use std::collections::BTreeMap;

use flux_topic::matches;
use proptest::prelude::*;

use super::super::*;
use super::{name, visits};

/// The value says its topic, so that a wrong one shows.
type Value = (String, u16);
type Model = BTreeMap<String, Value>;

#[derive(Clone, Debug)]
enum Operation {
    Set(String, u16),
    Remove(String),
}

fn any_topic() -> impl Strategy<Value = String> {
    let level = prop::sample::select(vec!["", "a", "b", "$x"]);
    prop::collection::vec(level, 1..5)
        .prop_map(|levels| levels.join("/"))
        .prop_filter("a name is not empty", |name| !name.is_empty())
}

fn any_filter() -> impl Strategy<Value = String> {
    let level = prop::sample::select(vec!["", "a", "b", "$x", "+"]);
    (prop::collection::vec(level, 0..5), any::<bool>())
        .prop_map(|(mut levels, hash)| {
            levels.extend(hash.then_some("#"));
            levels.join("/")
        })
        .prop_filter("a filter is not empty", |filter| !filter.is_empty())
}

fn any_operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        3 => (any_topic(), any::<u16>()).prop_map(|(topic, value)| Operation::Set(topic, value)),
        2 => any_topic().prop_map(Operation::Remove),
    ]
}

/// Applies an operation to the tree and to the model, and checks that they answer alike.
fn apply<S: BuildHasher>(
    tree: &mut RetainedTree<Value, S>,
    model: &mut Model,
    operation: &Operation,
) {
    match operation {
        Operation::Set(topic, value) => {
            let value = (topic.clone(), *value);
            let replaced = model.insert(topic.clone(), value.clone());
            assert_eq!(tree.set(name(topic), value), replaced);
        }
        Operation::Remove(topic) => {
            assert_eq!(tree.get(name(topic)), model.get(topic));
            assert_eq!(tree.remove(name(topic)), model.remove(topic));
        }
    }
    assert_eq!((tree.len(), tree.is_empty()), (model.len(), model.is_empty()));
}

proptest! {
    #[test]
    fn the_tree_is_the_model(
        operations in prop::collection::vec(any_operation(), 0..60),
        filters in prop::collection::vec(any_filter(), 1..12),
    ) {
        let (mut tree, mut model) = (RetainedTree::new(), Model::new());
        let mut other = RetainedTree::with_hasher(RandomState::new());
        for operation in &operations {
            apply(&mut tree, &mut model, operation);
            match operation {
                Operation::Set(topic, value) => other.set(name(topic), (topic.clone(), *value)),
                Operation::Remove(topic) => other.remove(name(topic)),
            };
        }

        for filter in &filters {
            let mut found = visits(&tree, filter);
            prop_assert_eq!(&found, &visits(&other, filter), "the order of visits");
            found.sort_unstable();
            let expected: Vec<_> =
                model.values().filter(|(topic, _)| matches(filter, topic)).cloned().collect();
            prop_assert_eq!(found, expected);
        }

        for (topic, value) in model {
            prop_assert_eq!(tree.remove(name(&topic)), Some(value));
        }
        prop_assert!(tree.is_empty());
        prop_assert_eq!(tree.arena.node_count(), 1);
    }
}
