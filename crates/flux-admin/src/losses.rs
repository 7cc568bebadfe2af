//! `/api/v1/losses`: what clients lost whose sessions are over.

use std::collections::BTreeMap;
use std::sync::Arc;

use flux_eventbus::DropReason;
use flux_mqtt::EndedSessionView;
use ntex::web::HttpResponse;
use ntex::web::types::{Query, State};
use serde::{Deserialize, Serialize};

use crate::server::Office;

/// A session that is over and had lost messages, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossEntry {
    /// The client identifier.
    pub client_id: String,
    /// The user that the session belonged to.
    pub owner: Option<String>,
    /// How many seconds ago it ended.
    pub ended_seconds_ago: u64,
    /// Why it ended.
    pub reason: String,
    /// As of [`ClientEntry`](crate::ClientEntry), with what waited when it ended.
    pub lost: BTreeMap<String, u64>,
}

/// What is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Question {
    /// Those of this client alone.
    id: Option<String>,
    limit: Option<usize>,
}

/// Lists them, the last first.
pub(crate) async fn losses(question: Query<Question>, office: State<Arc<Office>>) -> HttpResponse {
    let manager = office.broker.manager();
    let most = question.limit.unwrap_or(usize::MAX);
    let now = manager.now();
    let entry = |session: EndedSessionView| LossEntry {
        client_id: (*session.client_id).to_owned(),
        owner: session.owner.as_deref().map(str::to_owned),
        ended_seconds_ago: now.saturating_since(session.ended_at).as_secs(),
        reason: session.reason.name().to_owned(),
        lost: by_name(&session.lost),
    };
    let sessions = manager.ended_sessions(question.id.as_deref(), most);
    let entries: Vec<_> = sessions.into_iter().map(entry).collect();
    HttpResponse::Ok().json(&entries)
}

/// Returns how much was lost by the name of the reason.
pub(crate) fn by_name(lost: &[(DropReason, u64)]) -> BTreeMap<String, u64> {
    lost.iter().map(|(reason, count)| (reason.name().to_owned(), *count)).collect()
}
