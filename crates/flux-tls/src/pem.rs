//! The blocks of a PEM file (RFC 7468), each with the line it begins at.

use rustls::pki_types::pem::{PemObject, SectionKind};

use crate::problem::Problem;

/// What stands between BEGIN and END.
#[derive(derive_more::Debug)]
pub(crate) struct Block<'a> {
    /// The line of BEGIN, counted from 1.
    pub(crate) line: usize,
    pub(crate) label: &'a str,
    #[debug("{} bytes", text.len())]
    text: String,
}

impl Block<'_> {
    /// Returns what the block holds.
    ///
    /// # Errors
    ///
    /// When it is not Base64, or of a kind that is not expected here.
    pub(crate) fn decode(&self) -> Result<(SectionKind, Vec<u8>), Problem> {
        if self.is_encrypted() {
            return Err(Problem::EncryptedKey);
        }
        <(SectionKind, Vec<u8>)>::from_pem_slice(self.text.as_bytes())
            .map_err(|_| Problem::BrokenBase64 { label: self.label.to_owned() })
    }

    /// Whether it is a private key behind a password: PKCS#8, or what OpenSSL did before.
    fn is_encrypted(&self) -> bool {
        self.label == "ENCRYPTED PRIVATE KEY"
            || self
                .text
                .lines()
                .any(|line| line.starts_with("Proc-Type:") && line.contains("ENCRYPTED"))
    }
}

/// Splits a file into its blocks. Text between them is a comment.
///
/// # Errors
///
/// The line and what is wrong there, when a block does not end, or there is none.
pub(crate) fn blocks(bytes: &[u8]) -> Result<Vec<Block<'_>>, (Option<usize>, Problem)> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) if looks_like_der(bytes) => return Err((None, Problem::Der)),
        Err(_) => return Err((None, Problem::NotText)),
    };
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for (line, content) in (1..).zip(text.lines()) {
        if let Some(label) = marker(content, "BEGIN") {
            if let Some(block) = open {
                return Err((Some(block.line), Problem::NoEnd { label: block.label.to_owned() }));
            }
            open = Some(Block { line, label, text: String::new() });
        }
        let Some(block) = &mut open else { continue };
        block.text.push_str(content.trim());
        block.text.push('\n');
        if let Some(label) = marker(content, "END") {
            if label != block.label {
                let (begin, end) = (block.label.to_owned(), label.to_owned());
                return Err((Some(line), Problem::OtherEnd { begin, end }));
            }
            blocks.extend(open.take());
        }
    }
    match open {
        Some(block) => Err((Some(block.line), Problem::NoEnd { label: block.label.to_owned() })),
        None if bytes.is_empty() => Err((None, Problem::Empty)),
        None if blocks.is_empty() => Err((None, Problem::NoPem)),
        None => Ok(blocks),
    }
}

/// Returns the label of a line such as `-----BEGIN CERTIFICATE-----`.
fn marker<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    line.trim().strip_prefix("-----")?.strip_prefix(word)?.strip_prefix(' ')?.strip_suffix("-----")
}

/// Whether these bytes begin as an ASN.1 sequence with a long length does.
fn looks_like_der(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, 0x81..=0x84, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_does_not_show_what_is_in_it() {
        let file = b"-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----\n";
        let shown = format!("{:?}", blocks(file).unwrap());
        assert!(shown.contains("PRIVATE KEY") && shown.contains("bytes"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
