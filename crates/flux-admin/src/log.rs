//! `/api/v1/log`: what the program logs, to be looked at and changed.

use std::sync::Arc;

use ntex::http::Method;
use ntex::web::types::{Query, State};
use ntex::web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use crate::server::Office;

/// What a program logs.
pub trait LogControl: Send + Sync {
    /// Returns the filter that lines have to pass.
    fn filter(&self) -> String;

    /// Logs what passes another filter from now on.
    ///
    /// # Errors
    ///
    /// When it is no filter, in words; then nothing has changed.
    fn set_filter(&self, filter: &str) -> Result<(), String>;
}

/// What is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    filter: Option<String>,
}

/// Shows the filter, or replaces it.
pub(crate) async fn log(
    request: HttpRequest,
    wish: Query<Wish>,
    office: State<Arc<Office>>,
) -> HttpResponse {
    let Some(log) = &office.log else { return HttpResponse::NotFound().finish() };
    if request.method() == Method::PUT {
        let Some(filter) = &wish.filter else {
            return HttpResponse::BadRequest().body("say which: ?filter=FILTER\n");
        };
        if let Err(error) = log.set_filter(filter) {
            return HttpResponse::BadRequest().body(format!("{error}\n"));
        }
        tracing::info!(filter, "what is logged was changed by an administrator");
    }
    HttpResponse::Ok().body(format!("{}\n", log.filter()))
}
