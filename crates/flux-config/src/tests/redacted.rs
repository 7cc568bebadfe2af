//! What is told about files that are wrong has no secret in it, however wrong they are.

use super::load_files;

/// Any two letters of it are nowhere else.
const SECRET: &str = "zqzqzqzqzq";

fn told(text: &str) -> String {
    match load_files([("flux.toml", text)]) {
        Ok(loaded) => loaded.warnings.to_string(),
        Err(problems) => problems.to_string(),
    }
}

/// `S` stands for the secret.
#[track_caller]
fn check(line: &str, shown: &str) {
    let told = told(&line.replace('S', SECRET));
    assert!(!told.contains("zq"), "{told}");
    assert!(told.lines().any(|line| line.ends_with(&format!("| {shown}"))), "{told}");
}

#[test]
fn a_line_is_shown_up_to_its_secret() {
    check("admin = { token = \"S\", bind = 1 }", "admin = { token = (hidden)");
    check("admin.tokn = \"S\"", "admin.tokn = (hidden)");
    check("token: S", "token: (hidden)");
    check("  \"token\": \"S\",", "  (hidden)");
    check("token S", "token (hidden)");
    check("admin.token  \"S\"", "admin.token  (hidden)");
    check("admin = { bind = \"a\", token \"S\" }", "admin = { bind = \"a\", token (hidden)");
    check("[admin] token \"S\"", "[admin] token (hidden)");
    check("[admin] token = \"S\"", "[admin] token = (hidden)");
    check("[auth.http]\ntoken = 'S", "token = (hidden)");
    check("[auth.http]\ntoken = S", "token = (hidden)");
    check("[auth]\nhttp = \"S\"", "http = (hidden)");
    check("[auth]\npassword = \"S\"", "password = (hidden)");
    check("[admin]\ntoken = [\"a\",\n \"S\"]", " (hidden)");
    check("[admin]\ntoken = \"\"\"\nS\n\"\"\"\nbind = 5", "bind = 5");
    check("[admin]\ntoken = \"S\nS\"\nbind = \"x\"\n", "(hidden)");
    check("[otlp]\nheaders = [\n  \"a S\",\n]", "  (hidden)");
    check("[otlp]\nheaders = [\"authorization S\"]", "headers = (hidden)");
    check("[otlp]\nendpoint = \"http://a:S@host/\"", "endpoint = \"http://(hidden)");
    check("[otlp]\nendpoint = \"http://host/?key=S\"", "endpoint = \"http://host/?(hidden)");
    check("[admin]\ntoken = \"a\"\ntoken = \"S\"", "token = (hidden)");
    check("[admin]\ntoken = \"a${S}\"", "token = (hidden)");
}

#[test]
fn what_is_no_secret_is_shown() {
    let told = told("[log]\nfilter = \"warn,events=info\" on\n");
    assert!(told.contains("filter = \"warn,events=info\" on"), "{told}");
}

/// Whoever edits a file leaves it like this now and then.
#[test]
fn no_slip_shows_a_secret() {
    let text = "[admin]\ntoken = \"S\"\ncompat = [\"emqx\"]\n[auth.http]\nurl = \"http://u:S@h/\"\n\
                token = '''S\nS'''\n[otlp]\nheaders = [\n  \"a=S\",\n  \"bS\", 'c=S' ]\n";
    let text = text.replace('S', "zqzq");
    let slips = ["\"", "'", "=", "\n", "[", "]", "{", "#", " ", "\\"];
    for (at, c) in text.char_indices() {
        let (before, rest) = text.split_at(at);
        let mut slipped: Vec<_> = slips.iter().map(|slip| [before, slip, rest].concat()).collect();
        // What is no longer an address with a name and a password is one with a port.
        if c != '@' {
            slipped.push([before, rest.strip_prefix(c).unwrap()].concat());
        }
        for text in slipped {
            let told = told(&text);
            assert!(!told.contains("zq") && !told.contains("qz"), "{text}\n\n{told}");
        }
    }
}
