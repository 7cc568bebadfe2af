//! [`Cache`]: what was answered a moment ago.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use flux_auth::Opinion;
use flux_time::Timestamp;

/// Answers, each for a while. With one too many the oldest is forgotten. Time is an argument.
#[derive(Debug)]
pub(crate) struct Cache {
    answers: HashMap<Digest, Answer>,
    /// Oldest first; a digest may be here more than once, and only the last time counts.
    order: VecDeque<(Digest, Timestamp)>,
    lasts: Duration,
    most: usize,
}

/// Stands for a question, which is a secret: it cannot be told from this what was asked.
pub(crate) type Digest = [u8; 32];

#[derive(Debug)]
struct Answer {
    opinion: Opinion,
    until: Timestamp,
}

impl Cache {
    pub(crate) fn new(lasts: Duration, most: usize) -> Self {
        let most = if lasts.is_zero() { 0 } else { most };
        Self { answers: HashMap::new(), order: VecDeque::new(), lasts, most }
    }

    pub(crate) fn clear(&mut self) {
        self.answers.clear();
        self.order.clear();
    }

    pub(crate) fn get(&self, now: Timestamp, question: &Digest) -> Option<Opinion> {
        let answer = self.answers.get(question)?;
        (now < answer.until).then(|| answer.opinion.clone())
    }

    /// Remembers an answer, not longer than it holds by itself.
    pub(crate) fn put(
        &mut self,
        now: Timestamp,
        question: Digest,
        opinion: Opinion,
        holds_for: Option<Duration>,
    ) {
        if self.most == 0 {
            return;
        }
        let until = now + holds_for.map_or(self.lasts, |holds_for| holds_for.min(self.lasts));
        self.answers.insert(question, Answer { opinion, until });
        self.order.push_back((question, until));
        while let Some((oldest, its_end)) = self.order.front()
            && (self.order.len() > self.most || *its_end <= now)
        {
            if self.answers.get(oldest).is_some_and(|answer| answer.until == *its_end) {
                self.answers.remove(oldest);
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use flux_auth::Refusal;

    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn an_answer_is_remembered_for_a_while() {
        let mut cache = Cache::new(Duration::from_secs(10), 8);
        let refused = Opinion::Refuses(Refusal::BadUserNameOrPassword);
        cache.put(at(0), [1; 32], Opinion::PassesOn, None);
        cache.put(at(0), [2; 32], refused.clone(), Some(Duration::from_secs(3)));
        assert_eq!(cache.get(at(2), &[2; 32]), Some(refused.clone()));
        assert_eq!(cache.get(at(3), &[2; 32]), None);
        assert_eq!(cache.get(at(9), &[1; 32]), Some(Opinion::PassesOn));
        assert_eq!(cache.get(at(10), &[1; 32]), None);
        assert_eq!(cache.get(at(0), &[3; 32]), None);
        // A newer answer takes the place of the older one, whose end comes first.
        cache.put(at(5), [1; 32], refused.clone(), None);
        cache.put(at(12), [4; 32], Opinion::PassesOn, None);
        assert_eq!(cache.get(at(12), &[1; 32]), Some(refused));
        cache.put(at(30), [5; 32], Opinion::PassesOn, None);
        assert_eq!((cache.answers.len(), cache.order.len()), (1, 1));
    }

    #[test]
    fn it_never_has_more_answers_than_it_may() {
        let mut cache = Cache::new(Duration::from_secs(10), 3);
        for number in 0..100 {
            cache.put(
                at(number / 50),
                [u8::try_from(number % 5).unwrap(); 32],
                Opinion::PassesOn,
                None,
            );
            assert!(cache.answers.len() <= 3 && cache.order.len() <= 3);
        }
        assert_eq!(cache.get(at(2), &[4; 32]), Some(Opinion::PassesOn));
        assert_eq!(cache.get(at(2), &[0; 32]), None);
        for mut nothing in [Cache::new(Duration::ZERO, 3), Cache::new(Duration::from_secs(1), 0)] {
            nothing.put(at(0), [1; 32], Opinion::PassesOn, None);
            assert_eq!(nothing.get(at(0), &[1; 32]), None);
        }
    }
}
