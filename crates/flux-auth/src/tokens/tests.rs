//! Tokens of another library, of the standards, and of attackers.

mod pyjwt;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use super::{ParseKeyError, TokenAuthenticator, TokenError, TokenKeys, TokenSettings};
use crate::passwords::Threadless;
use crate::{
    Authentication, Authenticator, Chain, Credentials, HashPool, Identity, Link as _, Opinion,
    Refusal,
};

const NOW: u64 = 1_700_000_100;

fn seconds(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn settings() -> TokenSettings {
    TokenSettings {
        issuer: Some("https://idp.example".into()),
        audience: vec!["flux".into()],
        roles_claim: Some("roles".into()),
        claims: vec!["site".into()],
        ..TokenSettings::default()
    }
}

fn ask(keys: TokenKeys, settings: TokenSettings, now: u64, token: &str) -> Authentication {
    let clock = Box::new(move || seconds(now));
    let authenticator = TokenAuthenticator::new(keys, settings, clock, pool());
    let chain = Chain::new(vec![Arc::new(authenticator)]);
    wait_for(chain.authenticate(&bearer(token)))
}

fn pool() -> Arc<HashPool> {
    Arc::new(HashPool::start(NonZeroUsize::MIN, 16).unwrap())
}

fn bearer(token: &str) -> Credentials {
    let mut credentials = Credentials::new("c");
    credentials.password = Some(token.to_owned().into());
    credentials
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn secret() -> TokenKeys {
    TokenKeys::from_secret(pyjwt::HS256_KEY.as_bytes()).unwrap()
}

/// Returns a token that the secret has signed, with any header.
fn signed(header: &Value, claims: &Value) -> String {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, pyjwt::HS256_KEY.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    format!("{message}.{signature}")
}

fn claims() -> Value {
    json!({
        "sub": "meter-7", "iss": "https://idp.example", "aud": "flux",
        "exp": NOW + 100, "roles": ["device"], "site": "berlin",
    })
}

fn meter_7(expires_at: u64) -> Authentication {
    let mut identity = Identity::user("meter-7");
    identity.roles = vec!["device".into()];
    identity.attributes = [("claim.site", "berlin")].into_iter().collect();
    identity.expires_at = Some(seconds(expires_at));
    Authentication::Accepted(identity)
}

const FORGED: Authentication = Authentication::Refused(Refusal::BadUserNameOrPassword);
const NOT_NOW_NOT_HERE: Authentication = Authentication::Refused(Refusal::NotAuthorized);

#[test]
fn tokens_of_another_library_are_believed_by_their_key_and_no_other() {
    let pem = |pem: &str| TokenKeys::from_pem(pem.as_bytes()).unwrap();
    let jwks = TokenKeys::from_jwks(pyjwt::JWKS.as_bytes()).unwrap();
    assert_eq!(jwks.len(), 3);
    let keys = [secret(), pem(pyjwt::RS256_KEY), pem(pyjwt::ES256_KEY), pem(pyjwt::EDDSA_KEY)];
    let tokens = [pyjwt::HS256, pyjwt::RS256, pyjwt::ES256, pyjwt::EDDSA];
    for (own, key) in keys.iter().enumerate() {
        for (number, token) in tokens.iter().enumerate() {
            let expected = if own == number { meter_7(1_700_003_660) } else { FORGED };
            assert_eq!(ask(key.clone(), settings(), NOW, token), expected, "{own} and {number}");
        }
    }
    for token in &tokens[1..] {
        assert_eq!(ask(jwks.clone(), settings(), NOW, token), meter_7(1_700_003_660));
    }
    assert_eq!(ask(jwks, settings(), NOW, tokens[0]), FORGED);
}

/// RFC 7515, appendix A.1.
#[test]
fn the_example_of_the_standard_is_believed() {
    let keys = TokenKeys::from_jwks(
        br#"{"keys":[{"kty":"oct",
        "k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}]}"#,
    );
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9l\
                 eGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let claims = keys.unwrap().verify(token).unwrap();
    assert_eq!(claims["iss"], "joe");
}

#[test]
fn a_token_without_a_signature_is_forged() {
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    for alg in ["none", "None", "NONE", ""] {
        for keys in [secret(), TokenKeys::from_pem(pyjwt::RS256_KEY.as_bytes()).unwrap()] {
            let unsigned = format!("{}.{}.", encode(&json!({ "alg": alg })), encode(&claims()));
            assert_eq!(ask(keys.clone(), settings(), NOW, &unsigned), FORGED);
            assert_eq!(
                ask(keys, settings(), NOW, &signed(&json!({ "alg": alg }), &claims())),
                FORGED
            );
        }
    }
}

#[test]
fn without_keys_nobody_is_believed_and_nobody_is_called_a_forger() {
    let unavailable = Authentication::Refused(Refusal::ServerUnavailable);
    let unsigned = signed(&json!({ "alg": "none" }), &claims());
    for token in [pyjwt::HS256, pyjwt::RS256, &unsigned] {
        assert_eq!(ask(TokenKeys::default(), settings(), NOW, token), unavailable);
    }
}

#[test]
fn a_public_key_is_no_secret() {
    for keys in [
        TokenKeys::from_pem(pyjwt::RS256_KEY.as_bytes()).unwrap(),
        TokenKeys::from_jwks(pyjwt::JWKS.as_bytes()).unwrap(),
    ] {
        assert_eq!(ask(keys, settings(), NOW, pyjwt::CONFUSED), FORGED);
    }
    // The token is what it says it is: who takes that text for a secret believes it.
    let confused = TokenKeys::from_secret(pyjwt::RS256_KEY.as_bytes()).unwrap();
    assert!(confused.verify(pyjwt::CONFUSED).is_ok());
}

#[test]
fn whatever_is_changed_in_a_token_it_is_forged() {
    for at in 0..pyjwt::HS256.len() {
        let mut bytes = pyjwt::HS256.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        let answer = ask(secret(), settings(), NOW, &changed);
        assert!(!matches!(answer, Authentication::Accepted(_)), "{at}: {changed}");
    }
    for changed in
        [format!("{}=", pyjwt::HS256), format!("{}.", pyjwt::HS256), pyjwt::HS256.replace('.', "")]
    {
        assert!(!matches!(ask(secret(), settings(), NOW, &changed), Authentication::Accepted(_)));
    }
}

#[test]
fn a_token_holds_from_its_beginning_to_its_end_give_or_take_the_leeway() {
    let holds = |now| ask(secret(), settings(), now, pyjwt::HS256) == meter_7(1_700_003_660);
    assert!(!holds(1_699_999_939) && holds(1_699_999_940));
    assert!(holds(1_700_003_659) && !holds(1_700_003_660));
    let after = ask(secret(), settings(), 1_700_003_660, pyjwt::HS256);
    assert_eq!(after, NOT_NOW_NOT_HERE);
}

#[test]
fn claims_must_be_there_be_of_their_type_and_hold() {
    #[track_caller]
    fn check(claim: &str, value: Value) {
        let mut claims = claims();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(claim)),
            value => claims[claim] = value,
        }
        let token = signed(&json!({ "alg": "HS256" }), &claims);
        assert_eq!(ask(secret(), settings(), NOW, &token), NOT_NOW_NOT_HERE, "{claims}");
    }
    for claim in ["exp", "iss", "aud", "sub"] {
        check(claim, Value::Null);
        check(claim, json!(true));
    }
    check("exp", json!("9999999999"));
    check("exp", json!(1e300));
    check("exp", json!(-1));
    check("nbf", json!("1"));
    check("nbf", json!(NOW + 61));
    check("iss", json!("https://idp.example/"));
    check("iss", json!(["https://idp.example"]));
    check("aud", json!("flu"));
    check("aud", json!(["a", "b"]));
    check("aud", json!(["flux", 1]));
    check("sub", json!(""));
    check("roles", json!({ "device": true }));
    check("site", json!(7));
    let token = signed(&json!({ "alg": "HS256" }), &claims());
    assert_eq!(ask(secret(), settings(), NOW, &token), meter_7(NOW + 160));
}

#[test]
fn who_has_no_name_takes_no_token_that_is_for_somebody() {
    let nameless = || TokenSettings { audience: Vec::new(), ..settings() };
    assert_eq!(ask(secret(), nameless(), NOW, pyjwt::HS256), NOT_NOW_NOT_HERE);
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove("aud");
    let token = signed(&json!({ "alg": "HS256" }), &claims);
    assert_eq!(ask(secret(), nameless(), NOW, &token), meter_7(NOW + 160));
}

#[test]
fn headers_choose_among_keys_and_ask_for_nothing_else() {
    let token = signed(&json!({ "alg": "HS256", "crit": ["exp"] }), &claims());
    assert_eq!(secret().verify(&token), Err(TokenError::Critical));
    let named = format!(
        r#"{{"keys":[{{"kty":"oct","kid":"a","k":"{}"}}]}}"#,
        URL_SAFE_NO_PAD.encode(pyjwt::HS256_KEY)
    );
    let named = TokenKeys::from_jwks(named.as_bytes()).unwrap();
    let with_id = |id: &str| signed(&json!({ "alg": "HS256", "kid": id }), &claims());
    assert!(named.verify(&with_id("a")).is_ok() && named.verify(pyjwt::HS256).is_ok());
    assert_eq!(named.verify(&with_id("b")), Err(TokenError::UnknownKey));
    let twice = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","alg":"HS256"}"#);
    assert_eq!(secret().verify(&format!("{twice}.e30.AA")), Err(TokenError::NoToken));
    let long = "x".repeat(16 * 1024 + 1);
    assert_eq!(secret().verify(&long), Err(TokenError::TooLong { len: 16_385 }));
}

/// The keys were changed, and we are late to hear of it: no reason for a ban, and one to look.
#[test]
fn a_token_of_a_key_that_is_not_known_is_told_and_does_not_count_as_forged() {
    let key = r#"{"kty":"oct","kid":"a","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
    let keys = || TokenKeys::from_jwks(format!(r#"{{"keys":[{key}]}}"#).as_bytes()).unwrap();
    let token = |kid: &str, alg: &str| signed(&json!({"alg": alg, "kid": kid}), &claims());
    for (kid, alg, expected, is_told) in [
        ("b", "HS256", NOT_NOW_NOT_HERE, true),
        // Of no kind that any key is of.
        ("b", "none", FORGED, false),
        ("a", "HS256", FORGED, false),
        // Of another kind than the key of that name.
        ("a", "RS256", FORGED, false),
    ] {
        assert_eq!(ask(keys(), settings(), NOW, &token(kid, alg)), expected, "{kid} {alg}");
        let told = Arc::new(AtomicBool::new(false));
        let notice = told.clone();
        let clock = Box::new(|| seconds(NOW));
        let authenticator = TokenAuthenticator::new(keys(), settings(), clock, pool());
        authenticator.on_unknown_key(move || notice.store(true, Ordering::Relaxed));
        let _judged = wait_for(authenticator.consider(&bearer(&token(kid, alg))));
        assert_eq!(told.load(Ordering::Relaxed), is_told, "{kid} {alg}");
    }
}

/// As many as there may be are verified for a token that names none; a flood of those must not keep a worker busy.
#[test]
fn signatures_are_verified_in_a_bounded_line_and_not_where_clients_are_judged() {
    let (pool, line) = Threadless::pool(2);
    let clock = Box::new(|| seconds(NOW));
    let authenticator = TokenAuthenticator::new(secret(), settings(), clock, Arc::new(pool));
    let tokens = ["HS256", "HS384"].map(|alg| signed(&json!({ "alg": alg }), &claims()));
    let [right, forged] = tokens.map(|token| bearer(&token));
    let mut context = Context::from_waker(Waker::noop());
    let mut judged = [&right, &forged].map(|it| authenticator.consider(it));
    for judged in &mut judged {
        assert!(judged.as_mut().poll(&mut context).is_pending());
    }
    // With a third, one has no place any more.
    let mut third = authenticator.consider(&right);
    assert!(third.as_mut().poll(&mut context).is_pending());
    let [mut first, mut second] = judged;
    let busy = Opinion::Refuses(Refusal::ServerUnavailable);
    assert_eq!(first.as_mut().poll(&mut context), Poll::Ready(busy));
    // What is no token, and whom nobody could believe, takes none.
    let password = authenticator.consider(&bearer("password")).as_mut().poll(&mut context);
    assert_eq!(password, Poll::Ready(Opinion::PassesOn));
    line.next();
    line.next();
    let third = third.as_mut().poll(&mut context);
    assert!(matches!(third, Poll::Ready(Opinion::Accepts(_))), "{third:?}");
    let forged = Opinion::Refuses(Refusal::BadUserNameOrPassword);
    assert_eq!(second.as_mut().poll(&mut context), Poll::Ready(forged));
}

#[test]
fn a_password_that_is_no_token_is_passed_on() {
    for password in ["secret", "a.b.c", "", "..", "1.2.3.4", "{}.{}.{}"] {
        assert!(!TokenKeys::is_meant(password), "{password}");
    }
    assert!(TokenKeys::is_meant(pyjwt::HS256));
}

#[test]
fn what_is_no_key_is_refused_and_other_keys_of_a_set_are_skipped() {
    #[track_caller]
    fn check(keys: Result<TokenKeys, ParseKeyError>, expected: ParseKeyError) {
        assert_eq!(keys.unwrap_err(), expected);
    }
    check(TokenKeys::from_secret(&[7; 31]), ParseKeyError::ShortSecret { len: 31, min: 32 });
    check(TokenKeys::from_pem(b"secret"), ParseKeyError::NoKey);
    let other = pyjwt::EDDSA_KEY.replace("MCowBQYDK2Vw", "MCowBQYDK2Vu");
    check(TokenKeys::from_pem(other.as_bytes()), ParseKeyError::UnknownKind);
    check(TokenKeys::from_jwks(b"[]"), ParseKeyError::NoKeySet);
    let others = br#"{"keys":[{"kty":"EC","crv":"P-521"},{"kty":"RSA","use":"enc"},{"kty":"RSA","alg":"RS512"},{}]}"#;
    check(TokenKeys::from_jwks(others), ParseKeyError::NoKey);
    let damaged = br#"{"keys":[{"kty":"new"},{"kty":"OKP","crv":"Ed25519","x":"AA"}]}"#;
    check(TokenKeys::from_jwks(damaged), ParseKeyError::DamagedKey { number: 2 });
    let one_is_good = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA"},{"kty":"oct","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}"#;
    assert_eq!(TokenKeys::from_jwks(one_is_good).unwrap().len(), 1);
}
