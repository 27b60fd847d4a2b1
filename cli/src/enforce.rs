//! `fanlight enforce`: rewrites PromQL so that it reads nothing but what the given labels allow.

use std::borrow::Cow;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use shared::promql::{Characters, EnforcedLabel, OnConflict, Policy, PolicyError};

use crate::output::unless_closed;

/// Prints a query with labels enforced in each of its selectors, or says why it may not be asked
///
/// Exits with 0 and the query on standard output, or with 1 and the refusal on standard error.
#[derive(Debug, clap::Args)]
pub struct EnforceArgs {
    /// A label that every series must have with this value, which may be any string; may be repeated
    #[arg(long, value_name = "LABEL=VALUE", value_parser = label_and_value)]
    fixed: Vec<(String, String)>,

    /// A label that every series must have with one of these values, among which the query may choose; may be repeated
    #[arg(long, value_name = "LABEL=VALUE,..", value_parser = label_and_value)]
    allow: Vec<(String, String)>,

    /// What becomes of a query that has another matcher on a fixed label
    #[arg(long, value_enum, default_value_t = Conflict::Refuse)]
    on_conflict: Conflict,

    /// The query; with `-`, one JSON string a line is read from standard input and answered by one JSON object a line
    #[arg(allow_hyphen_values = true)]
    query: String,
}

/// What becomes of a query that has another matcher on a fixed label.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Conflict {
    /// It is refused
    Refuse,
    /// The fixed matcher takes that one's place
    Override,
}

fn label_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((label, value)) => Ok((label.to_owned(), value.to_owned())),
        None => Err("write it as LABEL=VALUE".to_owned()),
    }
}

/// The exit status for arguments that make no policy, the same as for arguments that do not parse.
const USAGE: u8 = 2;

/// Enforces what the arguments say on the query, or on each line of standard input.
pub fn run(args: &EnforceArgs) -> ExitCode {
    let policy = match policy(args) {
        Ok(policy) => policy,
        Err(error) => {
            eprintln!("fanlight: {error}");
            return ExitCode::from(USAGE);
        }
    };
    if args.query == "-" {
        let input = BufReader::with_capacity(BUFFER, io::stdin().lock());
        return written(batch(&policy, input, io::stdout().lock()));
    }
    match policy.enforce(&args.query) {
        Ok(query) => {
            let mut output = io::stdout().lock();
            written(writeln!(output, "{query}").and_then(|()| output.flush()))
        }
        Err(error) => {
            eprintln!("{}", error.render(&args.query));
            ExitCode::FAILURE
        }
    }
}

/// The exit status after writing. Whoever closes the pipe has read enough, which is no failure.
fn written(result: io::Result<()>) -> ExitCode {
    match unless_closed(result) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fanlight: {error}");
            ExitCode::FAILURE
        }
    }
}

fn policy(args: &EnforceArgs) -> Result<Policy, PolicyError> {
    let on_conflict = match args.on_conflict {
        Conflict::Refuse => OnConflict::Refuse,
        Conflict::Override => OnConflict::Override,
    };
    let fixed = args
        .fixed
        .iter()
        .map(|(label, value)| EnforcedLabel::fixed(label, value, on_conflict));
    let allowed = args.allow.iter().map(|(label, values)| {
        // Nothing after the `=` is the empty set, which denies; it is not a set of one empty value.
        let values = values.split(',').filter(|_| !values.is_empty());
        EnforcedLabel::one_of(label, values, Characters::default())
    });
    Policy::new(fixed.chain(allowed).collect::<Result<_, _>>()?)
}

const BUFFER: usize = 64 << 10;

/// The longest line that is read: more than any query that is not refused for its size, however it is escaped.
const LONGEST_LINE: u64 = 1 << 20;

/// A line of the input.
#[derive(Deserialize)]
struct Query<'a>(#[serde(borrow)] Cow<'a, str>);

/// A line of the output.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Enforced {
        ok: bool,
        query: &'a str,
    },
    /// The span is in bytes of the query's UTF-8; where the error is about all of it, it is empty.
    Refused {
        ok: bool,
        error: String,
        start: u32,
        end: u32,
    },
}

impl Answer<'_> {
    fn not_a_query(error: String) -> Self {
        Self::Refused {
            ok: false,
            error,
            start: 0,
            end: 0,
        }
    }
}

/// Answers each line of `input` with a line of `output`; what is no JSON string is answered by an error as well.
fn batch<R: Read>(policy: &Policy, mut input: BufReader<R>, output: impl Write) -> io::Result<()> {
    let mut output = BufWriter::with_capacity(BUFFER, output);
    let (mut line, mut answer) = (Vec::new(), Vec::new());
    loop {
        if input.buffer().is_empty() {
            // The next read may wait, and whoever writes the lines may wait for their answers.
            output.flush()?;
        }
        line.clear();
        if input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return output.flush();
        }
        let too_long = line.len() as u64 == LONGEST_LINE && line.last() != Some(&b'\n');
        answer.clear();
        if too_long {
            skip_line(&mut input)?;
            let error = format!("the line has more than {LONGEST_LINE} bytes; split the query");
            serde_json::to_writer(&mut answer, &Answer::not_a_query(error))?;
        } else {
            answer_line(policy, &line, &mut answer)?;
        }
        answer.push(b'\n');
        output.write_all(&answer)?;
    }
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let (length, done) = end.map_or((buffer.len(), buffer.is_empty()), |end| (end + 1, true));
        input.consume(length);
        if done {
            return Ok(());
        }
    }
}

fn answer_line(policy: &Policy, line: &[u8], answer: &mut Vec<u8>) -> serde_json::Result<()> {
    let query = match serde_json::from_slice::<Query<'_>>(line) {
        Ok(Query(query)) => query,
        Err(error) => {
            let error = format!("the line is not one JSON string: {error}");
            return serde_json::to_writer(answer, &Answer::not_a_query(error));
        }
    };
    match policy.enforce(&query) {
        Ok(query) => serde_json::to_writer(
            answer,
            &Answer::Enforced {
                ok: true,
                query: &query,
            },
        ),
        Err(error) => {
            let span = error.span();
            let refused = Answer::Refused {
                ok: false,
                error: error.to_string(),
                start: span.start,
                end: span.end,
            };
            serde_json::to_writer(answer, &refused)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: EnforceArgs,
    }

    fn parsed(args: &[&str]) -> EnforceArgs {
        Command::try_parse_from([&["enforce"], args].concat())
            .unwrap_or_else(|error| panic!("{error}"))
            .args
    }

    fn enforced(args: &[&str]) -> String {
        let args = parsed(args);
        policy(&args).unwrap().enforce(&args.query).unwrap()
    }

    fn answers(input: &[u8]) -> String {
        let policy = policy(&parsed(&["--fixed", "p=e", "--allow", "o=a,b", "-"])).unwrap();
        let mut output = Vec::new();
        batch(&policy, BufReader::with_capacity(16, input), &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn the_arguments_make_the_policy() {
        let cases: &[(&[&str], &str)] = &[
            (
                &["--fixed", "p=e", "--allow", "o=a,b", "up"],
                "up { p = \"e\" , o =~ \"a|b\" }",
            ),
            (
                &["--allow", "o=b,a", "--fixed", "p=e", "up{o=\"a\"}"],
                "up { p = \"e\" , o =~ \"a|b\" , o = \"a\" }",
            ),
            (&["--fixed", "p=x\"y=,z", "up"], "up { p = \"x\\\"y=,z\" }"),
            (
                &["--fixed", "p=e", "--on-conflict", "override", "up{p=\"i\"}"],
                "up { p = \"e\" }",
            ),
            (&["--fixed", "p=e", "-up"], "- up { p = \"e\" }"),
            (&["--fixed", "p=e", ""], "{ p = \"e\" }"),
        ];
        for (args, query) in cases {
            assert_eq!(enforced(args), *query, "{args:?}");
        }
    }

    #[test]
    fn arguments_that_make_no_policy_are_refused() {
        let cases: &[(&[&str], &str)] = &[
            (
                &["up"],
                "a policy needs at least one label; without one it would enforce nothing",
            ),
            (
                &["--fixed", "p=", "up"],
                "label \"p\" may not have the empty value, which matches every series without the label",
            ),
            (
                &["--allow", "o=a,,b", "up"],
                "label \"o\" may not have the empty value, which matches every series without the label",
            ),
            (
                &["--allow", "o=a.b", "up"],
                "value \"a.b\" of label \"o\" has the character '.', which the policy does not allow",
            ),
            (
                &["--allow", "o=a", "--allow", "o=b", "up"],
                "label \"o\" is enforced twice; give it one rule",
            ),
        ];
        for (args, message) in cases {
            assert_eq!(policy(&parsed(args)).unwrap_err().to_string(), *message, "{args:?}");
        }
        assert!(Command::try_parse_from(["enforce", "--fixed", "p", "up"]).is_err());
    }

    #[test]
    fn an_empty_set_denies() {
        let policy = policy(&parsed(&["--allow", "o=", "up"])).unwrap();
        let message = "nothing may be read: no value is allowed for label \"o\"";
        assert_eq!(policy.enforce("up").unwrap_err().to_string(), message);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        assert_eq!(written(Err(io::ErrorKind::BrokenPipe.into())), ExitCode::SUCCESS);
        assert_eq!(written(Err(io::ErrorKind::StorageFull.into())), ExitCode::FAILURE);
        assert_eq!(written(Ok(())), ExitCode::SUCCESS);
    }

    #[test]
    fn every_line_has_its_answer() {
        let input = concat!(
            "\"up\"\n",
            "\"up{o=\\\"c\\\"}\"\n",
            "\"\\u0075p{a=\\\"\\u00e9\\n\\\"}\"\n",
            "\"\"\n",
            "\n",
            "up\n",
            "\"a\" \"b\"\n",
            "\"\\ud800\"\n",
            "\"sum(\"",
        );
        let expected = concat!(
            r#"{"ok":true,"query":"up { p = \"e\" , o =~ \"a|b\" }"}"#,
            "\n",
            r#"{"ok":false,"error":"1:4: label \"o\" may not be \"c\"; name values that you may read","start":3,"end":8}"#,
            "\n",
            r#"{"ok":false,"error":"1:6: unterminated quoted string","start":5,"end":8}"#,
            "\n",
            r#"{"ok":true,"query":"{ p = \"e\" , o =~ \"a|b\" }"}"#,
            "\n",
            r#"{"ok":false,"error":"the line is not one JSON string: EOF while parsing a value at line 2 column 0","start":0,"end":0}"#,
            "\n",
            r#"{"ok":false,"error":"the line is not one JSON string: expected value at line 1 column 1","start":0,"end":0}"#,
            "\n",
            r#"{"ok":false,"error":"the line is not one JSON string: trailing characters at line 1 column 5","start":0,"end":0}"#,
            "\n",
        );
        let answers = answers(input.as_bytes());
        assert!(answers.starts_with(expected), "{answers}");
        let rest: Vec<&str> = answers[expected.len()..].lines().collect();
        assert_eq!(rest.len(), 2, "{rest:?}");
        assert!(
            rest[0].starts_with(r#"{"ok":false,"error":"the line is not one JSON string: "#),
            "{}",
            rest[0]
        );
        assert_eq!(
            rest[1],
            r#"{"ok":false,"error":"1:5: unexpected end of input","start":4,"end":4}"#
        );
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let mut input = vec![b'"'];
        input.resize(3 << 20, b'a');
        input.extend_from_slice(b"\"\n\"up\"\n\xff\n");
        let answers = answers(&input);
        let lines: Vec<&str> = answers.lines().collect();
        let too_long =
            r#"{"ok":false,"error":"the line has more than 1048576 bytes; split the query","start":0,"end":0}"#;
        assert_eq!(
            lines[..2],
            [too_long, r#"{"ok":true,"query":"up { p = \"e\" , o =~ \"a|b\" }"}"#]
        );
        assert!(lines[2].starts_with(r#"{"ok":false,"#) && lines.len() == 3, "{lines:?}");
    }

    #[test]
    fn answers_do_not_wait_for_further_lines() {
        /// Gives one line, and then fails unless that has been answered.
        struct Dialogue<'a>(&'a std::cell::RefCell<Vec<u8>>, u8);

        impl Read for Dialogue<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.1 += 1;
                if self.1 > 1 {
                    assert!(
                        self.0.borrow().ends_with(b"}\n"),
                        "the first line is answered before the second is read"
                    );
                    return Ok(0);
                }
                buffer[..5].copy_from_slice(b"\"up\"\n");
                Ok(5)
            }
        }

        struct Shared<'a>(&'a std::cell::RefCell<Vec<u8>>);

        impl Write for Shared<'_> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.borrow_mut().write(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let output = std::cell::RefCell::default();
        let policy = policy(&parsed(&["--fixed", "p=e", "-"])).unwrap();
        batch(&policy, BufReader::new(Dialogue(&output, 0)), Shared(&output)).unwrap();
        assert_eq!(
            output.borrow().as_slice(),
            b"{\"ok\":true,\"query\":\"up { p = \\\"e\\\" }\"}\n"
        );
    }
}
