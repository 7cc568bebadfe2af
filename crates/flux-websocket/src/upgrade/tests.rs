//! Requests and what is answered.

use super::*;

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

fn rules() -> UpgradeRules {
    UpgradeRules { path: "/mqtt".to_owned(), origins: Origins::Any }
}

/// A request that is accepted, but for what is replaced in it.
fn request(from: &str, to: &str) -> String {
    let lines = [
        "GET /mqtt HTTP/1.1",
        "Host: broker.example",
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        KEY,
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: chat, mqtt",
        "",
        "",
    ];
    let request = lines.join("\r\n");
    assert!(request.contains(from), "{from}");
    request.replace(from, to)
}

fn with(field: &str) -> String {
    request("\r\n\r\n", &format!("\r\n{field}\r\n\r\n"))
}

#[track_caller]
fn accepted(request: &str) -> Upgrade {
    Upgrade::read(request.as_bytes(), &rules()).unwrap().unwrap()
}

#[track_caller]
fn refused(request: impl AsRef<[u8]>, status: &str) {
    let refusal = Upgrade::read(request.as_ref(), &rules()).unwrap_err();
    let response = refusal.response();
    assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{refusal}: {response}");
    assert!(response.contains("\r\nConnection: close\r\n"), "{response}");
}

#[test]
fn the_answer_is_that_of_the_standard() {
    let request = request("Host", "Host");
    let upgrade = accepted(&request);
    assert_eq!(upgrade.protocol, SubProtocol::Mqtt);
    let expected = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
                    Sec-WebSocket-Protocol: mqtt\r\n\r\n";
    assert_eq!(upgrade.response(), expected);
}

#[test]
fn a_request_may_come_in_pieces_and_no_frames_behind_it() {
    let request = request("Host", "Host");
    for len in 0..request.len() {
        assert_eq!(Upgrade::read(&request.as_bytes()[..len], &rules()), Ok(None), "{len}");
    }
    refused(format!("{request}frames"), "400");
}

/// Pages have no other place for a token than the query.
#[test]
fn what_may_be_a_secret_is_not_told() {
    #[track_caller]
    fn check(target: &str, told: &str) {
        let request = request("/mqtt", target);
        let refusal = Upgrade::read(request.as_bytes(), &rules()).unwrap_err();
        assert_eq!(refusal, Refusal::Path(told.to_owned()));
    }
    check("/nomqtt?access_token=secret", "/nomqtt");
    check("/nomqtt?a=/b?c", "/nomqtt");
    check("/nomqtt#secret", "/nomqtt");
    check("https://user:secret@broker.example/nomqtt?secret", "/nomqtt");
    check("ws://user:secret@broker.example/mqtt?secret", "/mqtt");
    check("ws://user:secret@broker.example?secret", "/");
    check("?secret", "");
}

#[test]
fn what_may_differ_is_accepted() {
    accepted(&request("Upgrade: websocket", "uPGRADE: WebSocket"));
    accepted(&request("/mqtt", "/mqtt?token=x"));
    accepted(&request("/mqtt", "http://broker.example:8083/mqtt"));
    accepted(&request("/mqtt", "HTTPS://broker.example/mqtt?token=x"));
    accepted(&with("Content-Length: 0"));
    accepted(&with("Origin: https://anywhere.example"));
    accepted(&with("Sec-WebSocket-Extensions: permessage-deflate"));
    let old = accepted(&request("chat, mqtt", "mqttv3.1"));
    assert_eq!(old.protocol, SubProtocol::MqttV31);
    assert_eq!(accepted(&request("chat, mqtt", "mqttv3.1, mqtt")).protocol, SubProtocol::Mqtt);
}

#[test]
fn any_path_may_be_asked_for_where_the_rules_say_so() {
    let rules = UpgradeRules { path: "*".to_owned(), ..rules() };
    for path in ["/", "/mqtt/x", "/?token=x"] {
        let request = request("/mqtt", path);
        assert!(matches!(Upgrade::read(request.as_bytes(), &rules), Ok(Some(_))), "{path}");
    }
}

#[test]
fn what_is_wrong_has_its_status() {
    refused(b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01a", "400");
    refused(b"\x16\x03\x01\x02\0\x01", "400");
    refused(request("HTTP/1.1", "HTTP/1.0"), "400");
    refused(request("GET", "POST"), "405");
    refused(request("Host: ", "X-Host: "), "400");
    refused(with("Host: other.example"), "400");
    refused(with("Content-Length: 5"), "400");
    refused(with("Transfer-Encoding: chunked"), "400");
    refused(request("/mqtt", "/"), "404");
    refused(request("/mqtt", "http://broker.example"), "404");
    refused(request("/mqtt", "ftp://broker.example/mqtt"), "404");
    refused(request("/mqtt", "/mqtt/x"), "404");
    refused(request("Upgrade: websocket", "Accept: text/html"), "426");
    refused(request("keep-alive, Upgrade", "keep-alive"), "426");
    refused(request("Version: 13", "Version: 8"), "426");
    refused(request("Sec-WebSocket-Version: 13", "X: y"), "426");
    refused(request(KEY, "X: y"), "400");
    refused(request(KEY, "Sec-WebSocket-Key: dG9vIHNob3J0"), "400");
    refused(with(KEY), "400");
    refused(request("Sec-WebSocket-Protocol: chat, mqtt", "X: y"), "400");
    refused(request("chat, mqtt", "MQTT"), "400");
}

#[test]
fn a_version_that_is_not_spoken_learns_which_one_is() {
    let refusal = Upgrade::read(request("Version: 13", "Version: 8").as_bytes(), &rules());
    let response = refusal.unwrap_err().response();
    assert!(response.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{response}");
}

#[test]
fn what_is_too_long_is_refused() {
    refused(with(&format!("X: {}", "x".repeat(MAX_LEN))), "431");
    refused(format!("GET /{}", "x".repeat(MAX_LEN)), "431");
    refused(with(&["X: y"; MAX_FIELDS].join("\r\n")), "431");
}

#[test]
fn pages_of_other_origins_may_not_connect() {
    let origins = Origins::Listed(vec!["https://example.org".to_owned()]);
    let rules = UpgradeRules { origins, ..rules() };
    let read = |request: String| Upgrade::read(request.as_bytes(), &rules);
    assert!(read(with("Origin: https://Example.org")).is_ok());
    assert!(read(request("Host", "Host")).is_ok(), "no browser");
    for origin in ["http://example.org", "https://example.org.evil.net", "null", ""] {
        let refusal = read(with(&format!("Origin: {origin}"))).unwrap_err();
        let response = refusal.response();
        assert!(response.starts_with("HTTP/1.1 403 "), "{origin}");
        assert!(response.contains("`origins`"), "it says what to change: {response}");
    }
    let two = with("Origin: https://example.org\r\nOrigin: https://evil.net");
    assert_eq!(read(two), Err(Refusal::Origin("https://evil.net".to_owned())));
}

#[test]
fn pages_from_near_are_those_of_the_host_that_is_asked() {
    let rules = UpgradeRules { origins: Origins::Near, ..rules() };
    let read = |request: String| Upgrade::read(request.as_bytes(), &rules);
    assert!(read(request("Host", "Host")).is_ok(), "no browser");
    assert!(read(with("Origin: http://broker.example:3000")).is_ok());
    let evil = "https://evil.example";
    assert_eq!(read(with(&format!("Origin: {evil}"))), Err(Refusal::Origin(evil.to_owned())));
}

#[test]
fn what_is_not_text_does_not_come_back() {
    let refusal = Upgrade::read(request("/mqtt", "/<script>").as_bytes(), &rules()).unwrap_err();
    assert!(!refusal.response().contains("script"));
}

#[test]
fn addresses_of_proxies_are_read_up_to_what_is_none() {
    let forwarded = |field: &str| accepted(&with(field)).forwarded_for;
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert!(accepted(&request("Host", "Host")).forwarded_for.is_empty());
    let two = "X-Forwarded-For: 192.0.2.7, 2001:db8::1\r\nx-forwarded-for: 10.0.0.1";
    assert_eq!(forwarded(two), [ip("192.0.2.7"), ip("2001:db8::1"), ip("10.0.0.1")]);
    assert_eq!(forwarded("X-Forwarded-For: 192.0.2.7, unknown, 10.0.0.1"), [ip("10.0.0.1")]);
}
