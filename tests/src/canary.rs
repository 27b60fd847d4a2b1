//! Secrets that the tests hand out, in every form in which one could show up where it does not belong.

use anyhow::{Result, ensure};

use crate::postgres::{PASSWORD, PASSWORD_IN_URL};
use crate::pushgateway::GATEWAY_PASSWORD;

/// A password that databases get in a rotation.
pub const ROTATED_PASSWORD: &str = r"n@w/ca:nary #?%&";
/// A bearer token.
pub const TOKEN: &str = "canary.token-1/2+3==";

/// Proves that none of the secrets stands in a text.
///
/// # Errors
/// Names the secret, and the line that holds it.
pub fn absent(place: &str, text: &str) -> Result<()> {
    let forms = [
        PASSWORD,
        PASSWORD_IN_URL,
        // What a URL parser leaves when the password was not encoded.
        "ss/w:r",
        "ss%2Fw",
        ROTATED_PASSWORD,
        "n%40w%2Fca",
        "w/ca:nary",
        GATEWAY_PASSWORD,
        // `pusher:let me: in` in base64, as it travels.
        "cHVzaGVyOmxldCBtZTogaW4",
        TOKEN,
    ];
    for line in text.lines() {
        for form in forms {
            ensure!(!line.contains(form), "{place} gives the secret {form:?} away: {line}");
        }
    }
    Ok(())
}
