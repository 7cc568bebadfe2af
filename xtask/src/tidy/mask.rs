//! Rust text without its comments and literals, so that rules look at code alone.

/// Returns the text with comments, strings and characters replaced by blanks.
///
/// Line breaks stay, so a line of the result is the same line of the text.
pub(super) fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    let mut previous = ' ';
    while let Some(first) = rest.chars().next() {
        let hidden = hidden_length(rest, previous);
        let (taken, after) = rest.split_at(hidden.max(first.len_utf8()));
        if hidden == 0 {
            code.push_str(taken);
            previous = first;
        } else {
            code.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            previous = ' ';
        }
        rest = after;
    }
    code
}

/// Returns the length of the comment or literal that `rest` starts with, or 0.
fn hidden_length(rest: &str, previous: char) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_length(rest);
    }
    if rest.starts_with('"') {
        return quoted_length(rest);
    }
    if rest.starts_with('\'') {
        return character_length(rest);
    }
    if previous.is_alphanumeric() || previous == '_' { 0 } else { raw_string_length(rest) }
}

/// Block comments nest.
fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut from = 0;
    while let Some(inner) = rest.get(from..).filter(|inner| !inner.is_empty()) {
        if inner.starts_with("/*") {
            depth += 1;
            from += 2;
        } else if inner.starts_with("*/") {
            depth -= 1;
            from += 2;
            if depth == 0 {
                return from;
            }
        } else {
            from += inner.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn quoted_length(rest: &str) -> usize {
    let mut escaped = false;
    for (position, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return position + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A quote starts a character (`'a'`, `'\n'`) or a lifetime (`'a`).
fn character_length(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => {
            // The escaped character may be a quote itself.
            let mut after = chars.skip(1);
            after.find(|(_, c)| *c == '\'').map_or(rest.len(), |(position, _)| position + 1)
        }
        Some(_) => match chars.next() {
            Some((position, '\'')) => position + 1,
            _ => 0,
        },
        None => 0,
    }
}

fn raw_string_length(rest: &str) -> usize {
    let body = rest.strip_prefix(['b', 'c']).unwrap_or(rest);
    let Some(body) = body.strip_prefix('r') else { return 0 };
    let hashes = body.len() - body.trim_start_matches('#').len();
    let Some(body) = body.trim_start_matches('#').strip_prefix('"') else { return 0 };
    let close = format!("\"{}", "#".repeat(hashes));
    body.find(&close).map_or(rest.len(), |end| rest.len() - body.len() + end + close.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let code = code_only(text);
        assert_eq!(code.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{text}");
        assert_eq!(code.lines().count(), text.lines().count(), "lines move: {text}");
    }

    #[test]
    fn comments_and_literals_go_and_code_stays() {
        check("a // b\nc", "a c");
        check("a /* b /* c */ d\n */ e", "a e");
        check("f(\"x // \\\" y\") // z", "f( )");
        check("let a = r#\"x \" y\"#; b", "let a = ; b");
        check("let a = br\"\\\"; b", "let a = ; b");
        check("r#type + br", "r#type + br");
        check("c == '\"' && d == '\\'' && e == '\\u{41}'", "c == && d == && e ==");
        check("fn f<'a>(x: &'a str) -> &'static str", "fn f<'a>(x: &'a str) -> &'static str");
        check("'ä' + x", "+ x");
        check("\"two\nlines\" + x", "+ x");
        check("\"open", "");
        check("for\"x\"", "for");
    }
}
