//! `fanlight token`: makes a customer's token and the record to store, and checks the records that are stored.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use shared::authorization::{
    DocumentError, NoRandomness, Opens, Origin, Record, Records, Token, is_client, is_id, random_text,
    usage_identifier_key,
};
use shared::config::metrics_api::{DEFAULT_PLAN, MetricsApi};
use shared::promql::Limits;
use shared::suggest::closest;

use crate::output::unless_closed;

/// Makes tokens for the Metrics API, and checks the records that are stored of them
#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    New(NewArgs),
    Check(CheckArgs),
}

/// Prints a new token, once, and the record to store of it
#[derive(Debug, Args)]
struct NewArgs {
    /// Whom it is for: the user name of basic authentication, and whose usage is counted
    #[arg(long, value_parser = client)]
    client: String,
    /// An organisation whose series it opens; may be repeated
    #[arg(
        long = "organisation",
        value_name = "ORGANISATION",
        required_unless_present = "dashboards",
        value_parser = NonEmptyStringValueParser::new()
    )]
    organisations: Vec<String>,
    /// The plan whose limits it is held to
    #[arg(long, default_value = DEFAULT_PLAN, value_parser = NonEmptyStringValueParser::new())]
    plan: String,
    /// It opens the dashboards, for one's own Grafana, and no series
    #[arg(long, conflicts_with_all = ["organisations", "plan"])]
    dashboards: bool,
    /// When it ends: a number of days such as 90d, a day such as 2027-06-30 (its beginning in UTC), or a point in time
    #[arg(long, default_value = "365d", value_name = "WHEN")]
    expires: String,
    /// An address or network that it may be used from, such as 203.0.113.0/24; may be repeated; without it, anywhere
    #[arg(long = "origin", value_name = "CIDR")]
    origins: Vec<Origin>,
    /// The record's name, which is logged [default: the day, and six random letters]
    #[arg(long, value_parser = id)]
    id: Option<String>,
    /// Print one JSON object: `token`, `record` and `usage_identifier_key`
    #[arg(long)]
    json: bool,
}

/// Checks stored records, and lists who may come in and until when; exit status 1 if one cannot be used
#[derive(Debug, Args)]
struct CheckArgs {
    /// The secret's text in a file; `-` for standard input
    file: PathBuf,
    /// They are those of readers of the dashboards
    #[arg(long)]
    dashboards: bool,
}

/// A token that cannot be made, or records that cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not a time, or none that is to come.
    #[error("--expires {given}: {problem}; write a number of days such as 90d, or a day such as 2027-06-30")]
    Expires {
        /// As it was given.
        given: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The authorizer would refuse the token.
    #[error("the configuration in {folder} would refuse such a token: {reason}")]
    Refused {
        /// The configuration's folder.
        folder: String,
        /// Why.
        reason: String,
    },
    /// No random numbers.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The records' file cannot be read.
    #[error("{file} cannot be read: {error}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        error: io::Error,
    },
    /// It can, and holds something else.
    #[error("{file}: {error}")]
    Document {
        /// The file.
        file: String,
        /// What is wrong with it.
        error: DocumentError,
    },
    /// Nobody takes what is printed.
    #[error("cannot print: {0}")]
    Output(#[from] io::Error),
}

/// Runs the command.
///
/// # Errors
/// [`TokenError`].
pub fn run(args: TokenArgs, config: &Path) -> Result<ExitCode, TokenError> {
    let api = configured(config);
    match args.command {
        TokenCommand::New(args) => new(args, config, api.as_ref()),
        TokenCommand::Check(args) => check(&args, api.as_ref()),
    }
}

/// The Metrics API that the configuration declares. Tokens can be made without it, and are then not held against it.
fn configured(folder: &Path) -> Option<MetricsApi> {
    let reason = match shared::config::load(folder) {
        Ok(loaded) => match loaded.configuration.metrics_api() {
            Ok(api) => return Some(api.clone()),
            Err(reason) => reason.to_string(),
        },
        Err(error) => error.to_string(),
    };
    eprintln!("fanlight: plans and organisations are not held against the configuration: {reason}");
    None
}

fn new(args: NewArgs, config: &Path, api: Option<&MetricsApi>) -> Result<ExitCode, TokenError> {
    let now = Timestamp::now();
    let expires = expires(&args.expires, now).map_err(|problem| TokenError::Expires {
        given: args.expires.clone(),
        problem,
    })?;
    let id = match args.id {
        Some(id) => id,
        None => format!("{}-{}", now.strftime("%Y-%m-%d"), random_text(6)?),
    };
    let token = Token::generate()?;
    let mut organisations: Vec<String> = Vec::new();
    for organisation in args.organisations {
        if !organisations.contains(&organisation) {
            organisations.push(organisation);
        }
    }
    let record = Record {
        id,
        hash: token.hash(),
        client: args.client,
        organisations,
        origins: (!args.origins.is_empty()).then_some(args.origins),
        expires,
        plan: if args.dashboards { String::new() } else { args.plan },
    };
    if args.dashboards {
        return print_new(&token, &record, Opens::Dashboards, args.json);
    }
    if let Some(reason) = api.and_then(|api| refusal(api, &record)) {
        let folder = config.display().to_string();
        return Err(TokenError::Refused { folder, reason });
    }
    print_new(&token, &record, Opens::Series, args.json)
}

fn print_new(token: &Token, record: &Record, opens: Opens, as_json: bool) -> Result<ExitCode, TokenError> {
    let text = match (as_json, opens) {
        (true, _) => {
            let mut made = json!({"token": token.expose(), "record": record.to_json()});
            if opens == Opens::Series {
                made["usage_identifier_key"] = usage_identifier_key(&record.client).into();
            }
            format!("{made}\n")
        }
        (false, Opens::Series) => explained(token, record),
        (false, Opens::Dashboards) => explained_for_dashboards(token, record),
    };
    let mut output = io::stdout().lock();
    unless_closed(output.write_all(text.as_bytes()).and_then(|()| output.flush()))?;
    Ok(ExitCode::SUCCESS)
}

/// The token, the record, and what to do with them.
fn explained(token: &Token, record: &Record) -> String {
    let (token, client) = (token.expose(), &record.client);
    format!(
        "The token of {client}, which is shown this once and kept nowhere:\n\
         \n  {token}\n\
         \nIts record, to be added to the list `tokens` of the secret that `metrics_api.authorizer.tokens` names:\n\
         \n  {}\n\
         \nThe value of the client's API key, for the usage plan `{}`:\n\
         \n  {}\n\
         \nThe customer sends one of\n\
         \n  Authorization: Bearer {token}\n\
         \n  basic_auth: # in a Prometheus' scrape_configs\
         \n    username: {}\
         \n    password: {token}\n",
        record.to_json(),
        record.plan,
        usage_identifier_key(client),
        // JSON's quotes are YAML's too.
        json!(client),
    )
}

/// Likewise, where it opens the dashboards.
fn explained_for_dashboards(token: &Token, record: &Record) -> String {
    let token = token.expose();
    format!(
        "The token of {} for the dashboards, which is shown this once and kept nowhere:\n\
         \n  {token}\n\
         \nIts record, to be added to the list `tokens` of the secret that `metrics_api.authorizer.dashboards` names:\n\
         \n  {}\n\
         \nGET /grafana lists the dashboards, GET /grafana/FILE is one, with\n\
         \n  Authorization: Bearer {token}\n",
        record.client,
        record.to_json(),
    )
}

/// Why the authorizer would not let the record's client in.
fn refusal(api: &MetricsApi, record: &Record) -> Option<String> {
    let plans = || api.plans.keys().map(String::as_str);
    if !api.plans.contains_key(&record.plan) {
        let remedy = match closest(&record.plan, plans()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the plans are {}", plans().collect::<Vec<_>>().join(", ")),
        };
        return Some(format!("there is no plan `{}`; {remedy}", record.plan));
    }
    let policy = api.policy(&record.organisations, Limits::default());
    policy.err().map(|error| error.to_string())
}

fn check(args: &CheckArgs, api: Option<&MetricsApi>) -> Result<ExitCode, TokenError> {
    let file = if args.file.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        args.file.display().to_string()
    };
    let text = read(&args.file).map_err(|error| TokenError::Unreadable {
        file: file.clone(),
        error,
    })?;
    let opens = if args.dashboards {
        Opens::Dashboards
    } else {
        Opens::Series
    };
    let api = api.filter(|_| opens == Opens::Series);
    let records = match Records::read(&text, opens) {
        Ok(records) => records,
        Err(error) => return Err(TokenError::Document { file, error }),
    };
    let mut mistakes = String::new();
    for flaw in &records.flaws {
        // Writing to a String does not fail.
        let _ = writeln!(mistakes, "{file}:{flaw}");
    }
    for record in &records.records {
        if let Some(reason) = api.and_then(|api| refusal(api, record)) {
            let _ = writeln!(
                mistakes,
                "{file}: the token record `{}` is refused: {reason}",
                record.id
            );
        }
    }
    eprint!("{mistakes}");
    let mut output = io::stdout().lock();
    let text = listed(&records.records, Timestamp::now());
    unless_closed(output.write_all(text.as_bytes()).and_then(|()| output.flush()))?;
    Ok(if mistakes.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn read(file: &Path) -> io::Result<String> {
    if file.as_os_str() != "-" {
        return std::fs::read_to_string(file);
    }
    if io::stdin().is_terminal() {
        eprintln!("fanlight: reading the records from the terminal; end them with Ctrl-D");
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// The records, those first that end first.
fn listed(records: &[Record], now: Timestamp) -> String {
    let mut records: Vec<&Record> = records.iter().collect();
    records.sort_by_key(|record| record.expires);
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["id", "client", "organisations", "plan", "origins", "expires"]);
    for record in records {
        let origins = match &record.origins {
            Some(origins) => origins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            None => "anywhere".to_owned(),
        };
        let left = match record.expires.duration_since(now).as_hours() / 24 {
            _ if record.expires <= now => "expired".to_owned(),
            1 => "1 day left".to_owned(),
            days => format!("{days} days left"),
        };
        table.add_row([
            &record.id,
            &record.client,
            &record.organisations.join(", "),
            &record.plan,
            &origins,
            &format!("{}, {left}", record.expires),
        ]);
    }
    table.trim_fmt() + "\n"
}

/// The point in time that is meant, which is yet to come.
fn expires(text: &str, now: Timestamp) -> Result<Timestamp, &'static str> {
    let time = if let Some(days) = text.strip_suffix('d') {
        let days: i64 = days.parse().map_err(|_| "is no number of days")?;
        let hours = days.checked_mul(24).ok_or("lies too far ahead")?;
        now.checked_add(SignedDuration::from_hours(hours))
            .map_err(|_| "lies too far ahead")?
    } else if let Ok(time) = text.parse::<Timestamp>() {
        time
    } else {
        let day: Date = text.parse().map_err(|_| "is no time")?;
        let day = day.to_zoned(TimeZone::UTC).map_err(|_| "lies too far ahead")?;
        day.timestamp()
    };
    if time <= now {
        return Err("is past");
    }
    Timestamp::from_second(time.as_second()).map_err(|_| "lies too far ahead")
}

fn client(text: &str) -> Result<String, &'static str> {
    is_client(text)
        .then(|| text.to_owned())
        .ok_or("a client's name has 1 to 128 characters, and no `:` or control characters among them")
}

fn id(text: &str) -> Result<String, &'static str> {
    is_id(text)
        .then(|| text.to_owned())
        .ok_or("a record's name has 1 to 64 letters, digits, `.`, `_` or `-`")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    const CONFIGURATION: &str = "
metrics_api:
  upstream: {url: 'http://prometheus:9090'}
  labels:
  - {name: organisation, from: organisations}
  plans: {standard: {}, gold: {}}
  authorizer: {tokens: '{{API_TOKENS}}'}
";

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: TokenArgs,
    }

    fn parsed(args: &[&str]) -> Result<NewArgs, String> {
        let always = ["token", "new", "--client", "acme", "--organisation", "acme-fr"];
        match Command::try_parse_from([&always, args].concat()) {
            Ok(Command {
                args: TokenArgs {
                    command: TokenCommand::New(args),
                },
            }) => Ok(args),
            Ok(_) => panic!("another command"),
            Err(error) => Err(error.to_string()),
        }
    }

    fn api() -> MetricsApi {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("fanlight.yaml"), CONFIGURATION).unwrap();
        let loaded = shared::config::load(folder.path()).unwrap();
        assert_eq!(loaded.report.summary(), "");
        loaded.configuration.metrics_api().unwrap().clone()
    }

    fn record(token: &Token, plan: &str, organisation: &str) -> Record {
        Record {
            id: "2026-11-21-abc".to_owned(),
            hash: token.hash(),
            client: "ac \"me".to_owned(),
            organisations: vec![organisation.to_owned()],
            origins: Some(vec!["203.0.113.0/24".parse().unwrap()]),
            expires: "2027-06-30T00:00:00Z".parse().unwrap(),
            plan: plan.to_owned(),
        }
    }

    #[test]
    fn the_end_is_a_time_that_is_to_come() {
        let now: Timestamp = "2026-11-21T12:00:00.5Z".parse().unwrap();
        for (text, expected) in [
            ("90d", Ok("2027-02-19T12:00:00Z")),
            ("1d", Ok("2026-11-22T12:00:00Z")),
            ("2027-06-30", Ok("2027-06-30T00:00:00Z")),
            ("2027-06-30T12:00:00+02:00", Ok("2027-06-30T10:00:00Z")),
            ("0d", Err("is past")),
            ("-1d", Err("is past")),
            ("2026-11-21", Err("is past")),
            ("2026-11-21T12:00:00Z", Err("is past")),
            ("99999999999999999999d", Err("is no number of days")),
            ("999999999999999999d", Err("lies too far ahead")),
            ("9999999d", Err("lies too far ahead")),
            ("90", Err("is no time")),
            ("90h", Err("is no time")),
            ("never", Err("is no time")),
            ("2027-02-30", Err("is no time")),
            ("", Err("is no time")),
        ] {
            let time = expires(text, now).map(|time| time.to_string());
            assert_eq!(time.as_deref().map_err(|error| *error), expected, "{text}");
        }
    }

    #[test]
    fn arguments_that_no_record_can_hold_are_refused() {
        assert!(parsed(&["--origin", "203.0.113.0/24", "--origin", "2001:db8::1", "--id", "a.b"]).is_ok());
        for (args, expected) in [
            (
                &["--origin", "203.0.113.9/24"][..],
                "write 203.0.113.0/24 for the network",
            ),
            (&["--id", "a b"], "a record's name has 1 to 64 letters"),
            (&["--plan", ""], "a value is required"),
            (&["--organisation", ""], "a value is required"),
        ] {
            let error = parsed(args).unwrap_err();
            assert!(error.contains(expected), "{args:?}: {error}");
        }
        for client in ["", "a:b", "a\nb"] {
            assert!(super::client(client).is_err(), "{client:?}");
        }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        let token = Token::generate().unwrap();
        let record = record(&token, "gold", "acme-fr");
        let text = explained(&token, &record);
        assert_eq!(text.matches(token.expose()).count(), 3, "{text}");
        assert!(text.contains("    username: \"ac \\\"me\"\n"), "{text}");
        assert!(text.contains(&usage_identifier_key("ac \"me")), "{text}");
        let stored = text.lines().find(|line| line.starts_with("  {")).unwrap();
        assert!(!stored.contains(token.expose()), "the record does not hold the token");
        let records = Records::read(&format!("{{\"tokens\": [{stored}]}}"), Opens::Series).unwrap();
        assert_eq!((records.records, records.flaws), (vec![record], Vec::new()));
    }

    #[test]
    fn what_the_authorizer_would_refuse_is_not_made() {
        let (api, token) = (api(), Token::generate().unwrap());
        for (plan, organisation, expected) in [
            ("gold", "acme-fr", None),
            (
                "standrd",
                "acme-fr",
                Some("there is no plan `standrd`; did you mean `standard`?"),
            ),
            (
                "default",
                "acme-fr",
                Some("there is no plan `default`; the plans are gold, standard"),
            ),
            (
                "gold",
                "acme.fr",
                Some(
                    "value \"acme.fr\" of label \"organisation\" has the character '.', which the policy does not allow",
                ),
            ),
        ] {
            let reason = refusal(&api, &record(&token, plan, organisation));
            assert_eq!(reason.as_deref(), expected, "{plan} {organisation}");
        }
    }

    #[test]
    fn records_are_listed_by_their_end() {
        let token = Token::generate().unwrap();
        let mut later = record(&token, "gold", "acme-fr");
        later.id = "later".to_owned();
        later.expires = "2028-01-01T00:00:00Z".parse().unwrap();
        later.origins = None;
        let text = listed(
            &[later, record(&token, "gold", "acme-fr")],
            "2027-12-30T12:00:00Z".parse().unwrap(),
        );
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(
            lines[1].join(" "),
            "2026-11-21-abc ac \"me acme-fr gold 203.0.113.0/24 2027-06-30T00:00:00Z, expired"
        );
        assert_eq!(
            lines[2].join(" "),
            "later ac \"me acme-fr gold anywhere 2028-01-01T00:00:00Z, 1 day left"
        );
    }
}
