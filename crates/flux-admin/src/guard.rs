//! [`Guard`]: who is answered at all.

use std::net::IpAddr;
use std::sync::Arc;

use flux_tls::TlsConfig;
use ntex::http::header::{AUTHORIZATION, HOST};
use ntex::service::cfg::SharedCfg;
use ntex::service::{Middleware, Service, ServiceCtx};
use ntex::web::{HttpResponse, WebRequest, WebResponse};
use subtle::ConstantTimeEq as _;

use crate::tls::is_admitted;

/// Stands before every resource: what is added later is guarded, too.
#[derive(Clone)]
pub(crate) struct Guard {
    /// What all but health ask for. Without it, who gets through to the socket may ask.
    token: Option<Arc<str>>,
    pub(crate) tls: Option<TlsConfig>,
    /// That is all that keeps others out. It was so in the beginning, whatever is read into `tls` later.
    needs_certificate: bool,
}

impl Guard {
    pub(crate) fn new(token: Option<String>, tls: Option<TlsConfig>) -> Self {
        let requires = tls.as_ref().is_some_and(TlsConfig::requires_certificates);
        Self { needs_certificate: requires && token.is_none(), token: token.map(Into::into), tls }
    }

    /// Returns whether something is asked for.
    pub(crate) const fn asks(&self) -> bool {
        self.needs_certificate || self.token.is_some()
    }

    /// Returns why a request is not answered, if so.
    fn refusal<E>(&self, request: &WebRequest<E>) -> Option<HttpResponse> {
        if OPEN.contains(&request.path()) {
            return None;
        }
        let is_out = |tls: &TlsConfig| !is_admitted(request.io(), tls, self.needs_certificate);
        if self.tls.as_ref().is_some_and(is_out) {
            return Some(HttpResponse::Forbidden().body("no certificate of yours is accepted\n"));
        }
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let Some(token) = &self.token else {
            return (!self.needs_certificate && !header(HOST).is_some_and(is_no_name)).then(named);
        };
        let shown = header(AUTHORIZATION).and_then(|shown| shown.strip_prefix("Bearer "));
        let is_it = shown.is_some_and(|shown| shown.as_bytes().ct_eq(token.as_bytes()).into());
        (!is_it).then(unauthorized)
    }
}

impl<S> Middleware<S, SharedCfg> for Guard {
    type Service = Guarded<S>;

    fn create(&self, service: S, _: SharedCfg) -> Self::Service {
        Guarded { guard: self.clone(), service }
    }
}

/// What the guard stands before.
pub(crate) struct Guarded<S> {
    guard: Guard,
    service: S,
}

impl<S, E> Service<WebRequest<E>> for Guarded<S>
where
    S: Service<WebRequest<E>, Response = WebResponse>,
{
    type Response = WebResponse;
    type Error = S::Error;

    ntex::forward_poll!(service);
    ntex::forward_ready!(service);
    ntex::forward_shutdown!(service);

    async fn call(
        &self,
        request: WebRequest<E>,
        ctx: ServiceCtx<'_, Self>,
    ) -> Result<Self::Response, Self::Error> {
        match self.guard.refusal(&request) {
            Some(refusal) => Ok(request.into_response(refusal)),
            None => ctx.call(&self.service, request).await,
        }
    }
}

/// Returns whether a host is an address, or this machine: a page whose name somebody leads here has another.
fn is_no_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    address.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

fn named() -> HttpResponse {
    HttpResponse::MisdirectedRequest()
        .body("without a token only requests to an address or localhost are answered\n")
}

fn unauthorized() -> HttpResponse {
    HttpResponse::Unauthorized()
        .header("WWW-Authenticate", "Bearer")
        .body("show the token: Authorization: Bearer TOKEN\n")
}

/// What tells nothing but whether the broker serves.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_a_name_of_others_is_known_by_its_form() {
        for host in
            ["127.0.0.1", "127.0.0.1:9883", "[::1]", "[::1]:9883", "localhost:1", "LocalHost"]
        {
            assert!(is_no_name(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:9883",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "x:y",
        ] {
            assert!(!is_no_name(host), "{host}");
        }
    }
}
