//! The tree against a plain map of (pattern, key): every operation, every answer.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::*;
use crate::matching::tests::{any_filter, any_topic, long_filter_and_topic, slow_matches};

type Key = u8;
type Value = u16;
type Model = BTreeMap<(String, Key), Value>;

#[derive(Clone, Debug)]
enum Operation {
    Insert(TopicFilter, Key, Value),
    Remove(TopicFilter, Key),
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let key = 0..4_u8;
    prop_oneof![
        3 => (any_filter(), key.clone(), any::<Value>())
            .prop_map(|(filter, key, value)| Operation::Insert(filter, key, value)),
        2 => (any_filter(), key).prop_map(|(filter, key)| Operation::Remove(filter, key)),
    ]
}

/// Applies an operation to the tree and to the model, and checks that they answer alike.
fn apply(tree: &mut SubscriptionTree<Key, Value>, model: &mut Model, operation: &Operation) {
    let (filter, key) = match operation {
        Operation::Insert(filter, key, _) | Operation::Remove(filter, key) => (filter, key),
    };
    let entry = (filter.pattern().to_owned(), *key);
    assert_eq!(tree.get(filter, key), model.get(&entry));
    match operation {
        Operation::Insert(_, _, value) => {
            assert_eq!(tree.insert(filter, *key, *value), model.insert(entry, *value));
        }
        Operation::Remove(..) => assert_eq!(tree.remove(filter, key), model.remove(&entry)),
    }
    assert_eq!((tree.len(), tree.is_empty()), (model.len(), model.is_empty()));
}

fn visits<S: BuildHasher>(
    tree: &SubscriptionTree<Key, Value, S>,
    topic: &str,
) -> Vec<(Key, Value)> {
    let mut visits = Vec::new();
    tree.for_each_match(TopicName::parse(topic).unwrap(), |key, value| visits.push((*key, *value)));
    visits
}

proptest! {
    #[test]
    fn the_tree_is_the_model(
        operations in prop::collection::vec(any_operation(), 0..60),
        topics in prop::collection::vec(any_topic(), 1..12),
    ) {
        let (mut tree, mut model) = (SubscriptionTree::new(), Model::new());
        for operation in &operations {
            apply(&mut tree, &mut model, operation);
        }
        // The same subscriptions, which came in another order, under another hasher.
        let mut other = SubscriptionTree::with_hasher(RandomState::new());
        for ((pattern, key), value) in &model {
            other.insert(&TopicFilter::parse(pattern).unwrap(), *key, *value);
        }
        prop_assert_eq!(tree.arena.node_count(), other.arena.node_count());
        let mut all = Model::new();
        tree.for_each(|pattern, key, value| {
            assert_eq!(all.insert((pattern.to_owned(), *key), *value), None, "{pattern} again");
        });
        prop_assert_eq!(&all, &model);

        for topic in &topics {
            let mut found = visits(&tree, topic);
            prop_assert_eq!(&found, &visits(&other, topic), "the order of visits");
            let mut expected: Vec<_> = model
                .iter()
                .filter(|((pattern, _), _)| slow_matches(pattern, topic))
                .map(|((_, key), value)| (*key, *value))
                .collect();
            found.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(found, expected);
        }

        for ((pattern, key), value) in model {
            let filter = TopicFilter::parse(&pattern).unwrap();
            prop_assert_eq!(tree.remove(&filter, &key), Some(value));
        }
        prop_assert!(tree.is_empty());
        prop_assert_eq!(tree.arena.node_count(), 1);
    }

    #[test]
    fn hundreds_of_levels_are_the_slow_definition(
        (filter, topic) in long_filter_and_topic(100..200),
        (other, _) in long_filter_and_topic(100..200),
        end in 0..200_usize,
    ) {
        // What matches, what ends earlier or later, and what is another path altogether.
        let pattern = filter.pattern();
        let cut = pattern.match_indices('/').nth(end).map_or(pattern.len(), |(at, _)| at.max(1));
        let below = topic.clone() + "/+";
        let at_and_below = topic.clone() + "/#";
        let texts = [pattern, pattern.get(..cut).unwrap(), other.pattern(), &topic, &below, &at_and_below, "#"];

        let (mut tree, mut expected) = (SubscriptionTree::new(), Vec::new());
        for (key, text) in (0..).zip(texts) {
            tree.insert(&TopicFilter::parse(text).unwrap(), key, 0);
            expected.extend(slow_matches(text, &topic).then_some((key, 0)));
        }
        let mut found = visits(&tree, &topic);
        found.sort_unstable();
        prop_assert_eq!(found, expected);
    }
}
