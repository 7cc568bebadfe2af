//! The topics that a PUBLISH of a client may borrow its own from.

use flux_topic::{ParseTopicError, TopicName, TopicNameBuf};

use super::FrameError;
use super::alias::InboundAliases;

/// What a connection remembers of the topics that its client publishes to.
#[derive(Debug, Default)]
pub(crate) struct InboundTopics {
    pub(super) recent: RecentTopic,
    pub(super) aliases: InboundAliases,
}

impl InboundTopics {
    /// `topic_alias_maximum` is what CONNACK announced.
    pub(crate) fn new(topic_alias_maximum: u16) -> Self {
        let aliases = InboundAliases::new(topic_alias_maximum);
        Self { recent: RecentTopic::default(), aliases }
    }
}

/// The topic that the client named last: most name one again and again, and it need not be looked at
/// each time.
#[derive(Debug, Default)]
pub(super) struct RecentTopic(Option<TopicNameBuf>);

impl RecentTopic {
    /// Returns `bytes` as the name of a topic. What is a string and no topic name may still stand where an
    /// alias does.
    pub(super) fn read<'a>(
        &'a mut self,
        bytes: &'a [u8],
    ) -> Result<Result<TopicName<'a>, ParseTopicError>, FrameError> {
        if !self.is(bytes) {
            let name = parse(bytes)?;
            if let Ok(name) = name
                && bytes.len() <= LONGEST
            {
                self.keep(name);
            }
            return Ok(name);
        }
        Ok(self.name().ok_or(ParseTopicError::Empty))
    }

    fn is(&self, bytes: &[u8]) -> bool {
        self.name().is_some_and(|name| name.as_str().as_bytes() == bytes)
    }

    fn name(&self) -> Option<TopicName<'_>> {
        self.0.as_ref().map(TopicNameBuf::as_name)
    }

    fn keep(&mut self, name: TopicName<'_>) {
        match &mut self.0 {
            Some(kept) => kept.assign(name),
            None => self.0 = Some(name.into()),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Result<TopicName<'_>, ParseTopicError>, FrameError> {
    match TopicName::from_utf8(bytes) {
        Err(ParseTopicError::NotUtf8 { .. }) => Err(FrameError::InvalidUtf8),
        Err(_) if bytes.contains(&0) => Err(FrameError::NullCharacter),
        name => Ok(name),
    }
}

/// A topic of more bytes is not remembered: a connection is to stay small.
const LONGEST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_read_whatever_came_before() {
        let mut recent = RecentTopic::default();
        let long = "x".repeat(LONGEST + 1);
        for topic in ["a", "a", "a/b", "a", "", "a", "a/+", "a", &long, &long, "a"] {
            assert_eq!(recent.read(topic.as_bytes()), Ok(TopicName::parse(topic)), "{topic:?}");
        }
        assert_eq!(recent.read(b"\0"), Err(FrameError::NullCharacter));
        assert_eq!(recent.read(b"\xff"), Err(FrameError::InvalidUtf8));
        assert_eq!(recent.name(), TopicName::parse("a").ok());
    }
}
