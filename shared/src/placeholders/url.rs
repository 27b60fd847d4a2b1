//! Values filled into a URL so that none can change its shape.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::template::{Part, Template};

/// Everything but the unreserved characters of RFC 3986, section 2.3.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What stands in for a host may be `host:5432`, `[::1]` or several hosts, as libpq reads them.
const HOST: &AsciiSet = &STRICT.remove(b':').remove(b'[').remove(b']').remove(b',');

/// A template that cannot be filled in as a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlTemplateError {
    /// No literal scheme: what follows could not be told apart.
    #[error(
        "the URL must begin with its scheme, such as `postgres://` or `https://`, in plain text; \
         only a single placeholder and nothing else may stand for a whole URL"
    )]
    NoScheme,
    /// A path with a `.` or `..` segment, which clients take out of the URL, also when percent-encoded.
    #[error("with its placeholders filled in, the URL's path has a segment `.` or `..`: give it another value")]
    DotSegment,
}

/// How a template's placeholders are to be filled in.
#[derive(Debug, PartialEq, Eq)]
enum Shape {
    /// The template is one placeholder, and its value the URL.
    Verbatim,
    /// The part of the URL in which each placeholder stands.
    Components(Vec<Component>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Component {
    UserInfo,
    Host,
    Path,
    Query,
}

impl Template {
    /// Whether the template can be filled in as a URL.
    ///
    /// # Errors
    /// The template has no scheme in plain text and is not one single placeholder.
    pub fn check_url(&self) -> Result<(), UrlTemplateError> {
        self.shape().map(|_| ())
    }

    /// The URL, with `values` in the order of the placeholders, each percent-encoded for the place where it stands.
    pub(super) fn fill_url(&self, values: &[&str]) -> Result<String, UrlTemplateError> {
        let components = match self.shape()? {
            Shape::Verbatim => return Ok(self.fill(values)),
            Shape::Components(components) => components,
        };
        let mut url = String::new();
        let mut filled = components.iter().zip(values);
        for part in self.parts() {
            match part {
                Part::Literal(text) => url.push_str(text),
                Part::Placeholder(_) => {
                    if let Some((component, value)) = filled.next() {
                        let set = if *component == Component::Host { HOST } else { STRICT };
                        // Writing into a string cannot fail.
                        let _ = write!(url, "{}", utf8_percent_encode(value, set));
                    }
                }
            }
        }
        if components.contains(&Component::Path) && has_dot_segment(&url) {
            return Err(UrlTemplateError::DotSegment);
        }
        Ok(url)
    }

    /// Decides from the literal text alone, before any value is known, where each placeholder stands (RFC 3986,
    /// section 3; `\` counts as `/` because the WHATWG's parser takes it so).
    fn shape(&self) -> Result<Shape, UrlTemplateError> {
        if let [Part::Placeholder(_)] = self.parts() {
            return Ok(Shape::Verbatim);
        }
        let mut text = String::new();
        let mut places = Vec::new();
        for part in self.parts() {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Placeholder(_) => places.push(text.len()),
            }
        }
        let scheme = text
            .find("://")
            .filter(|end| is_scheme(&text[..*end]))
            .ok_or(UrlTemplateError::NoScheme)?;
        let authority = scheme + 3;
        if places.first().is_some_and(|first| *first < authority) {
            return Err(UrlTemplateError::NoScheme);
        }
        let from = |start: usize, marks: &[char]| text[start..].find(marks).map_or(text.len(), |found| start + found);
        let authority_end = from(authority, &['/', '\\', '?', '#']);
        let path_end = from(authority_end, &['?', '#']);
        let user_info_end = text[authority..authority_end].rfind('@').map(|found| authority + found);
        let component = |place: usize| {
            if user_info_end.is_some_and(|end| place <= end) {
                Component::UserInfo
            } else if place <= authority_end {
                Component::Host
            } else if place <= path_end {
                Component::Path
            } else {
                Component::Query
            }
        };
        Ok(Shape::Components(places.into_iter().map(component).collect()))
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn has_dot_segment(url: &str) -> bool {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after_scheme.split(['?', '#']).next().unwrap_or_default();
    path.split(['/', '\\'])
        .skip(1)
        .any(|segment| segment == "." || segment == "..")
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use proptest::prelude::*;
    use tokio_postgres::Config;
    use tokio_postgres::config::Host;

    use super::*;

    fn filled(template: &str, values: &[&str]) -> Result<String, UrlTemplateError> {
        Template::parse(template).unwrap().fill_url(values)
    }

    #[test]
    fn each_value_is_encoded_for_its_place() {
        let hostile = "a:/?#[]@!$&'()*+,;=% \"é\\";
        let strict = "a%3A%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B%2C%3B%3D%25%20%22%C3%A9%5C";
        let host = "a:%2F%3F%23[]%40%21%24%26%27%28%29%2A%2B,%3B%3D%25%20%22%C3%A9%5C";
        for (template, expected) in [
            ("p://{{A}}@h/d", format!("p://{strict}@h/d")),
            ("p://u:{{A}}@h/d", format!("p://u:{strict}@h/d")),
            ("p://x{{A}}y@h/d", format!("p://x{strict}y@h/d")),
            ("p://{{A}}", format!("p://{host}")),
            ("p://{{A}}/d", format!("p://{host}/d")),
            ("p://u@{{A}}/d@e", format!("p://u@{host}/d@e")),
            ("p://h:1,{{A}}?q=@", format!("p://h:1,{host}?q=@")),
            ("p://h/{{A}}", format!("p://h/{strict}")),
            ("p://h/a/{{A}}/b", format!("p://h/a/{strict}/b")),
            ("p://h?q={{A}}", format!("p://h?q={strict}")),
            ("p://h/d?q=1&{{A}}=2", format!("p://h/d?q=1&{strict}=2")),
            ("p://h/d#{{A}}", format!("p://h/d#{strict}")),
            ("p://h\\{{A}}@x", format!("p://h\\{strict}@x")),
        ] {
            assert_eq!(filled(template, &[hostile]), Ok(expected), "{template}");
        }
    }

    #[test]
    fn a_single_placeholder_is_the_url_itself() {
        let url = "postgres://u:p%40ss@h:1,i:2/d?sslmode=require";
        assert_eq!(filled("{{DATABASE_URL}}", &[url]).as_deref(), Ok(url));
    }

    #[test]
    fn a_url_without_a_literal_scheme_is_refused() {
        for template in [
            "",
            "localhost:9091",
            "{{URL}}/path",
            "{{URL}}?sslmode=require",
            "{{SCHEME}}://h",
            "post{{X}}gres://h",
            "http:{{X}}//h",
            "://{{H}}",
            "1http://{{H}}",
            "/a?b=://{{H}}",
            "{{A}}{{B}}",
        ] {
            assert_eq!(
                Template::parse(template).unwrap().check_url(),
                Err(UrlTemplateError::NoScheme),
                "{template}"
            );
        }
    }

    #[test]
    fn dots_cannot_climb_up_the_path() {
        for (template, values) in [
            ("http://h/a/{{A}}", vec![".."]),
            ("http://h/a/{{A}}/b?c", vec!["."]),
            ("http://h/a/.{{A}}", vec!["."]),
            ("http://h/{{A}}{{B}}#f", vec![".", "."]),
        ] {
            assert_eq!(
                filled(template, &values),
                Err(UrlTemplateError::DotSegment),
                "{template}"
            );
        }
        assert_eq!(
            filled("http://h/{{A}}", &["%2e%2e"]).as_deref(),
            Ok("http://h/%252e%252e")
        );
        assert_eq!(
            filled("http://h/a?b=../{{A}}", &[".."]).as_deref(),
            Ok("http://h/a?b=../..")
        );
    }

    #[test]
    fn hosts_keep_their_ports() {
        for (host, hosts, ports) in [
            ("db.example:6432", vec!["db.example"], vec![6432]),
            ("a:1,b:2", vec!["a", "b"], vec![1, 2]),
            ("[::1]:5432", vec!["::1"], vec![5432]),
        ] {
            let config = Config::from_str(&filled("postgres://u@{{H}}/d", &[host]).unwrap()).unwrap();
            let expected: Vec<_> = hosts.into_iter().map(|host| Host::Tcp(host.to_owned())).collect();
            assert_eq!(
                (config.get_hosts(), config.get_ports()),
                (&*expected, &*ports),
                "{host}"
            );
        }
    }

    #[test]
    fn a_folder_of_sockets_is_a_host() {
        let url = filled("postgres://u@{{H}}/d", &["/run/postgresql"]).unwrap();
        assert_eq!(
            Config::from_str(&url).unwrap().get_hosts(),
            [Host::Unix("/run/postgresql".into())]
        );
    }

    proptest! {
        #[test]
        fn postgres_reads_back_exactly_what_was_filled_in(
            user in "\\PC{1,12}", password in "\\PC{1,12}", database in "\\PC{1,12}", application in "\\PC{1,12}",
            host in "[a-z][a-z0-9.-]{0,12}", port in 1..u16::MAX,
        ) {
            prop_assume!(database != "." && database != "..");
            let template = "postgresql://{{U}}:{{P}}@{{H}}:{{PORT}}/{{D}}?application_name={{A}}&connect_timeout=7";
            let url = filled(template, &[&user, &password, &host, &port.to_string(), &database, &application]).unwrap();
            let config = Config::from_str(&url).unwrap();
            prop_assert_eq!(config.get_user(), Some(user.as_str()));
            prop_assert_eq!(config.get_password(), Some(password.as_bytes()));
            prop_assert_eq!(config.get_hosts(), &[Host::Tcp(host)]);
            prop_assert_eq!(config.get_ports(), &[port]);
            prop_assert_eq!(config.get_dbname(), Some(database.as_str()));
            prop_assert_eq!(config.get_application_name(), Some(application.as_str()));
            prop_assert_eq!(config.get_connect_timeout(), Some(&std::time::Duration::from_secs(7)));
        }

        #[test]
        fn the_web_reads_back_exactly_what_was_filled_in(
            user in "\\PC{1,12}", password in "\\PC{1,12}", segment in "\\PC{1,12}", value in "\\PC{1,12}",
        ) {
            prop_assume!(segment != "." && segment != "..");
            let url = filled("https://{{U}}:{{P}}@h:9091/a/{{S}}/b?q={{V}}&r=1", &[&user, &password, &segment, &value]);
            let url = reqwest::Url::parse(&url.unwrap()).unwrap();
            let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
            prop_assert_eq!(decoded(url.username()), user);
            prop_assert_eq!(decoded(url.password().unwrap()), password);
            prop_assert_eq!((url.host_str(), url.port()), (Some("h"), Some(9091)));
            let segments: Vec<_> = url.path_segments().unwrap().map(decoded).collect();
            prop_assert_eq!(segments, ["a".to_owned(), segment, "b".to_owned()]);
            let pairs: Vec<_> = url.query_pairs().into_owned().collect();
            prop_assert_eq!(pairs, [("q".to_owned(), value), ("r".to_owned(), "1".to_owned())]);
            prop_assert_eq!(url.fragment(), None);
        }

        #[test]
        fn no_host_value_reaches_beyond_the_host(host in "\\PC{1,12}") {
            let url = filled("postgres://u:p@{{H}}/d?x=1", &[&host]).unwrap();
            let rest = url.strip_prefix("postgres://u:p@").unwrap().strip_suffix("/d?x=1").unwrap();
            prop_assert!(!rest.contains(['/', '@', '?', '#', '\\']), "{}", rest);
        }
    }
}
