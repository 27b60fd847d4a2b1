//! Credentials as they stand in the `Authorization` header (RFC 9110, section 11.6.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

use super::refusal::Reason;

/// More than any JWT of use; API Gateway takes 10 KiB of headers in all.
const LONGEST: usize = 8 << 10;

/// What somebody says to prove who he is.
#[derive(Debug)]
pub(super) enum Credentials {
    /// `Bearer`, a token or a JWT (RFC 6750).
    Bearer(SecretString),
    /// `Basic`, a client's name and his token (RFC 7617).
    Basic { user: String, password: SecretString },
}

impl Credentials {
    /// The credentials in the header's values, of which there must be one.
    pub(super) fn read(values: &[SecretString]) -> Result<Self, Reason> {
        let value = match values {
            [] => return Err(Reason::NoCredentials),
            [value] => value.expose_secret(),
            _ => return Err(Reason::SeveralCredentials),
        };
        if value.len() > LONGEST {
            return Err(Reason::MalformedCredentials);
        }
        let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
        let rest = rest.trim_matches(' ');
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        if !is("bearer") && !is("basic") {
            return Err(Reason::Scheme);
        }
        // A list of parameters or of further credentials would have spaces or commas in it.
        if rest.is_empty() || !rest.bytes().all(is_token68) {
            return Err(Reason::MalformedCredentials);
        }
        if is("bearer") {
            return Ok(Self::Bearer(rest.into()));
        }
        let decoded = STANDARD.decode(rest).map_err(|_| Reason::MalformedCredentials)?;
        let decoded = String::from_utf8(decoded).map_err(|_| Reason::MalformedCredentials)?;
        match decoded.split_once(':') {
            Some((user, password)) if !user.is_empty() && !password.is_empty() => Ok(Self::Basic {
                user: user.to_owned(),
                password: password.into(),
            }),
            _ => Err(Reason::MalformedCredentials),
        }
    }
}

/// The characters of RFC 9110's `token68`.
fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Result<(Option<String>, String), Reason> {
        let values: Vec<SecretString> = values.iter().map(|value| (*value).into()).collect();
        Credentials::read(&values).map(|credentials| match credentials {
            Credentials::Bearer(token) => (None, token.expose_secret().to_owned()),
            Credentials::Basic { user, password } => (Some(user), password.expose_secret().to_owned()),
        })
    }

    #[test]
    fn both_schemes_are_read() {
        for (value, user, secret) in [
            ("Bearer fanlight_a.b-c~d+e/f==", None, "fanlight_a.b-c~d+e/f=="),
            ("bearer a", None, "a"),
            ("BEARER   a ", None, "a"),
            // printf acme:secret | base64
            ("Basic YWNtZTpzZWNyZXQ=", Some("acme"), "secret"),
            ("basic YWNtZTpzZWNyZXQ=", Some("acme"), "secret"),
            // A password may hold colons, a user's name may not.
            ("Basic YTpiOmM=", Some("a"), "b:c"),
            ("Basic w6k6YQ==", Some("é"), "a"),
        ] {
            assert_eq!(
                read(&[value]),
                Ok((user.map(str::to_owned), secret.to_owned())),
                "{value}"
            );
        }
    }

    #[test]
    fn whatever_else_is_refused() {
        use Reason::{MalformedCredentials, NoCredentials, Scheme, SeveralCredentials};
        for (values, reason) in [
            (&[][..], NoCredentials),
            (&["Bearer a", "Bearer a"], SeveralCredentials),
            (&["Bearer a", "Basic YTpi"], SeveralCredentials),
            (&[""], Scheme),
            (&["a"], Scheme),
            (&["Digest a"], Scheme),
            (&["Bearer\ta"], Scheme),
            (&["Bearera"], Scheme),
            (&[" Bearer a"], Scheme),
            (&["Bearer"], MalformedCredentials),
            (&["Bearer  "], MalformedCredentials),
            (&["Bearer a b"], MalformedCredentials),
            (&["Bearer a,Bearer b"], MalformedCredentials),
            (&["Bearer a, b"], MalformedCredentials),
            (&["Bearer \"a\""], MalformedCredentials),
            (&["Bearer a\n"], MalformedCredentials),
            (&["Bearer é"], MalformedCredentials),
            (&["Basic"], MalformedCredentials),
            (&["Basic !"], MalformedCredentials),
            // Without its padding, with too much of it, in the URL's alphabet, with bits beyond the last byte.
            (&["Basic YWNtZTpzZWNyZXQ"], MalformedCredentials),
            (&["Basic YWNtZTpzZWNyZXQ=="], MalformedCredentials),
            (&["Basic Pj8_Og=="], MalformedCredentials),
            (&["Basic YWNtZTpzZWNyZXR="], MalformedCredentials),
            (&["Basic YWNt ZTpz"], MalformedCredentials),
            // `acme`, `acme:`, `:secret`, `:`, and bytes that are no UTF-8.
            (&["Basic YWNtZQ=="], MalformedCredentials),
            (&["Basic YWNtZTo="], MalformedCredentials),
            (&["Basic OnNlY3JldA=="], MalformedCredentials),
            (&["Basic Og=="], MalformedCredentials),
            (&["Basic /zr/"], MalformedCredentials),
        ] {
            assert_eq!(read(values), Err(reason), "{values:?}");
        }
        let longest = format!("Bearer {}", "a".repeat(LONGEST - 7));
        assert!(read(&[&longest]).is_ok());
        assert_eq!(read(&[&format!("{longest}a")]), Err(MalformedCredentials));
    }

    #[test]
    fn debug_shows_no_secret() {
        for value in ["Bearer hunter2", "Basic YWNtZTpodW50ZXIy"] {
            let credentials = Credentials::read(&[value.into()]).unwrap();
            assert!(!format!("{credentials:?}").contains("hunter2"), "{credentials:?}");
        }
    }
}
