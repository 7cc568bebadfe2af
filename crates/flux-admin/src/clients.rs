//! `/api/v1/clients`: who has a session, what it holds and what it lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use flux_mqtt::{BrokerHandle, ClientView, ManagerError, SessionView, Timestamp};
use ntex::http::Method;
use ntex::web::types::{Query, State};
use ntex::web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use crate::losses::by_name;
use crate::server::Office;

/// A client, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientEntry {
    /// Its client identifier.
    pub client_id: String,
    /// Whether it is connected.
    pub connected: bool,
    /// The user that its session belongs to: nobody else gets its client identifier while that lives.
    #[serde(default)]
    pub owner: Option<String>,
    /// Its user name, if it has one and is connected.
    pub username: Option<String>,
    /// Whence it comes, if it is connected.
    pub peer: Option<String>,
    /// The listener that it came in by.
    pub listener: Option<String>,
    /// The version of MQTT that it speaks.
    pub version: Option<String>,
    /// Within how many seconds something must come from it.
    pub patience_seconds: Option<u64>,
    /// Nothing is read from it for now.
    pub held_back: bool,
    /// Its subscriptions.
    pub subscriptions: usize,
    /// Messages that wait for it.
    pub queued: usize,
    /// Bytes of these.
    pub queued_bytes: usize,
    /// For how many seconds something has been waiting all the time.
    #[serde(default)]
    pub waiting_seconds: u64,
    /// Messages that were sent to it and are not acknowledged.
    pub in_flight: usize,
    /// Messages that it did not get, and that were not taken from it, by reason: since its session began, or the
    /// broker.
    pub lost: BTreeMap<String, u64>,
}

impl ClientEntry {
    fn of(session: &SessionView, client: Option<&ClientView>, now: Timestamp) -> Self {
        let version = client.map(|it| it.version.name());
        let who = client.map(|it| &it.client);
        let waiting = session.waits_since.map(|since| now.saturating_since(since));
        Self {
            client_id: (*session.client_id).to_owned(),
            connected: session.is_attached,
            owner: session.owner.as_deref().map(str::to_owned),
            username: who.and_then(|it| it.identity.username.as_deref()).map(str::to_owned),
            peer: who.and_then(|it| it.peer).map(|peer| peer.to_string()),
            listener: who.and_then(|it| it.listener.as_deref()).map(str::to_owned),
            version: version.map(str::to_owned),
            patience_seconds: client.and_then(|it| it.patience).map(|it| it.as_secs()),
            held_back: client.is_some_and(|it| it.is_held_back),
            subscriptions: session.subscriptions,
            queued: session.queued,
            queued_bytes: session.queued_bytes,
            waiting_seconds: waiting.unwrap_or_default().as_secs(),
            in_flight: session.in_flight,
            lost: by_name(&session.lost),
        }
    }
}

/// What became of the sessions of a user, or of all users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedSessions {
    /// How many are over.
    pub ended: usize,
    /// The last client identifier that was looked at: there may be more behind it. `None` if there are none.
    pub after: Option<String>,
}

/// What is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Question {
    /// This client alone.
    id: Option<String>,
    /// Those behind this one.
    #[serde(default)]
    after: String,
    limit: Option<usize>,
    /// So many of those who are furthest behind, in place of a page.
    behind: Option<usize>,
    /// Not only its connection is to end, but its session.
    #[serde(default)]
    session: bool,
    /// The sessions of this user.
    owner: Option<String>,
    /// The sessions of all users.
    #[serde(default)]
    owned: bool,
}

/// Lists clients, shows one, disconnects one, or ends the sessions of a user.
pub(crate) async fn clients(
    request: HttpRequest,
    question: Query<Question>,
    office: State<Arc<Office>>,
) -> HttpResponse {
    let limit = question.limit.unwrap_or(PAGE).min(LARGEST_PAGE);
    let answer = match (&question.id, request.method()) {
        (Some(id), &Method::DELETE) => kick(&office.broker, id, question.session).await,
        (None, &Method::DELETE) if question.session && question.names_owners() => {
            end_sessions(&office.broker, &question, limit).await
        }
        (None, &Method::DELETE) => Ok(HttpResponse::BadRequest().body(WHOM)),
        (Some(id), _) => show(&office.broker, id).await,
        (None, _) => {
            let sessions = match question.behind {
                Some(most) => office.broker.census(most.min(LARGEST_PAGE)).behind,
                None => office.broker.manager().sessions_after(&question.after, limit),
            };
            list(&office.broker, &sessions).await
        }
    };
    answer.unwrap_or_else(|error| HttpResponse::ServiceUnavailable().body(format!("{error}\n")))
}

async fn list(
    broker: &BrokerHandle,
    sessions: &[SessionView],
) -> Result<HttpResponse, ManagerError> {
    let now = broker.manager().now();
    let mut entries = Vec::new();
    for session in sessions {
        let client = broker.manager().describe(&session.client_id).await?;
        entries.push(ClientEntry::of(session, client.as_ref(), now));
    }
    Ok(HttpResponse::Ok().json(&entries))
}

async fn show(broker: &BrokerHandle, id: &str) -> Result<HttpResponse, ManagerError> {
    let Some(session) = broker.manager().session(id) else { return Ok(unknown()) };
    let client = broker.manager().describe(id).await?;
    let entry = ClientEntry::of(&session, client.as_ref(), broker.manager().now());
    Ok(HttpResponse::Ok().json(&entry))
}

async fn kick(
    broker: &BrokerHandle,
    id: &str,
    with_session: bool,
) -> Result<HttpResponse, ManagerError> {
    let (done, words) = if with_session {
        (broker.manager().end_session(id).await, "its session was ended by an administrator")
    } else {
        (broker.manager().kick(id).await, "disconnected by an administrator")
    };
    match done {
        Ok(()) => {
            tracing::info!(client_id = id, "{words}");
            Ok(HttpResponse::NoContent().finish())
        }
        Err(ManagerError::UnknownClient { .. }) => Ok(unknown()),
        Err(error) => Err(error),
    }
}

/// Ends sessions that belong to users, of so many clients at most.
async fn end_sessions(
    broker: &BrokerHandle,
    question: &Question,
    limit: usize,
) -> Result<HttpResponse, ManagerError> {
    let (mut ended, mut after) = (0, None);
    for session in broker.manager().sessions_after(&question.after, limit) {
        let id = &*session.client_id;
        if question.means(session.owner.as_deref()) {
            match broker.manager().end_session(id).await {
                Ok(()) => ended += 1,
                // It is over by itself.
                Err(ManagerError::UnknownClient { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        after = Some(id.to_owned());
    }
    if ended > 0 {
        tracing::info!(ended, owner = ?question.owner, "sessions of users were ended by an administrator");
    }
    Ok(HttpResponse::Ok().json(&EndedSessions { ended, after }))
}

impl Question {
    const fn names_owners(&self) -> bool {
        self.owned || self.owner.is_some()
    }

    /// Whether this is about the sessions of such an owner.
    fn means(&self, owner: Option<&str>) -> bool {
        owner.is_some() && (self.owned || owner == self.owner.as_deref())
    }
}

fn unknown() -> HttpResponse {
    HttpResponse::NotFound().body("there is no such client\n")
}

const WHOM: &str =
    "say whom: ?id=CLIENT, or ?owner=USER&session=true, or ?owned=true&session=true\n";
/// How many clients are listed at once.
const PAGE: usize = 100;
/// The most that are.
const LARGEST_PAGE: usize = 1000;
