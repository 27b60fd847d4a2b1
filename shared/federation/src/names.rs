//! Names of metrics and labels in the text formats.

use std::fmt::Write as _;

use super::format::Escaping;

/// Which characters a name may have without quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A metric's name may have colons.
    Metric,
    /// A label's may not.
    Label,
}

/// Whether every reader of the format takes the name as it is.
pub(super) fn is_classic(name: &str, kind: Kind) -> bool {
    !name.is_empty() && name.char_indices().all(|(at, char)| is_classic_char(char, at, kind))
}

fn is_classic_char(char: char, at: usize, kind: Kind) -> bool {
    match char {
        'a'..='z' | 'A'..='Z' | '_' => true,
        '0'..='9' => at > 0,
        ':' => kind == Kind::Metric,
        _ => false,
    }
}

/// Appends a name that is not classic, changed so that it is; nothing for [`Escaping::AllowUtf8`], which quotes it.
///
/// `EscapeName` of Prometheus' `common/model` is the model, except that it lets a label's colons pass, which its own
/// parsers then refuse.
pub(super) fn push_escaped(out: &mut Vec<u8>, name: &str, kind: Kind, escaping: Escaping) {
    let mut text = String::with_capacity(name.len() + 8);
    if escaping == Escaping::Values {
        text.push_str("U__");
    }
    for (at, char) in name.char_indices() {
        match (escaping, char) {
            (Escaping::AllowUtf8, _) => {}
            (Escaping::Dots, '.') => text.push_str("_dot_"),
            (Escaping::Dots | Escaping::Values, '_') => text.push_str("__"),
            _ if is_classic_char(char, at, kind) => text.push(char),
            (Escaping::Underscores, _) => text.push('_'),
            (Escaping::Dots, _) => text.push_str("__"),
            // Writing to a string cannot fail.
            (Escaping::Values, _) => _ = write!(text, "_{:x}_", u32::from(char)),
        }
    }
    out.extend_from_slice(text.as_bytes());
}
