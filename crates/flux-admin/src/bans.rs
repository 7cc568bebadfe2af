//! `/api/v1/bans`: which addresses are banned, and a way to lift that.

use std::net::IpAddr;
use std::sync::Arc;

use flux_auth::Bouncer;
use ntex::http::Method;
use ntex::web::types::{Query, State};
use ntex::web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use crate::server::Office;

/// An address that is banned, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanEntry {
    /// The address; of an IPv6 address the first 64 bits, and zeros.
    pub address: IpAddr,
    /// For how many seconds yet.
    pub seconds: u64,
}

/// Which ban is meant.
#[derive(Debug, Deserialize)]
pub(crate) struct Question {
    address: Option<IpAddr>,
}

/// Lists all bans, or lifts one.
pub(crate) async fn bans(
    request: HttpRequest,
    question: Query<Question>,
    office: State<Arc<Office>>,
) -> HttpResponse {
    match (question.address, request.method()) {
        (Some(address), &Method::DELETE) => lift(office.bouncer.as_deref(), address),
        (None, &Method::DELETE) => HttpResponse::BadRequest().body("say which: ?address=ADDRESS\n"),
        (_, _) => HttpResponse::Ok().json(&list(office.bouncer.as_deref())),
    }
}

fn list(bouncer: Option<&Bouncer>) -> Vec<BanEntry> {
    let bans = bouncer.map(Bouncer::list).unwrap_or_default().into_iter();
    bans.map(|(address, left)| BanEntry { address, seconds: left.as_secs() }).collect()
}

fn lift(bouncer: Option<&Bouncer>, address: IpAddr) -> HttpResponse {
    if bouncer.is_some_and(|bouncer| bouncer.lift(address)) {
        tracing::info!(%address, "no longer banned: an administrator lifted it");
        return HttpResponse::NoContent().finish();
    }
    HttpResponse::NotFound().body("it is not banned\n")
}
