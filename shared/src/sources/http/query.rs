//! What a page is asked for, and how its rows are found in it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;

use super::health;
use super::json::{CellPointer, Pointer};
use crate::config::job::Parameter;
use crate::config::{Count, Entry, File, Mapping, ParameterSpec, Scope};
use crate::rows::Column;
use crate::sources::{Described, TARGET};

/// A page of the service, and what of it are rows.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HttpQuerySpec")]
pub(crate) struct QuerySpec {
    /// What follows the target's URL, such as `/health`.
    path: Option<Entry<String>>,
    /// What follows the `?`, by name.
    parameters: Option<Entry<Mapping<ParameterSpec>>>,
    /// The statuses under which an answer is the page. Default: 200.
    statuses: Option<Entry<Vec<Entry<Count>>>>,
    /// What the page is: `json` of any shape (default), or a `health` page, a list of checks such as `[{"db": "ok"},
    /// {"mail": "critical", "msg": "..."}]`, which gives the columns `target`, `check`, `state` and `value`: for each
    /// check three rows, one a state (`ok`, `warning`, `critical`), of which the check's own has the value 1.
    page: Option<Entry<PageKind>>,
    /// Where the rows stand, as a JSON pointer: a list, an object (one row), or with `key` an object of rows. Default:
    /// the whole page.
    rows: Option<Entry<String>>,
    /// The column that holds the name of each row, where `rows` are the members of an object.
    key: Option<Entry<String>>,
    /// The columns: where each stands in its row (`name`, `stats/depth`; empty for the row itself), or in the page, as a
    /// JSON pointer that begins with `/`.
    columns: Option<Entry<Mapping<String>>>,
}

/// What a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum PageKind {
    /// JSON of any shape.
    #[default]
    Json,
    /// A list of checks.
    Health,
}

/// A page that is asked for, and what of it are rows.
#[derive(Debug, Clone)]
pub struct Query {
    /// What follows the target's URL; empty or with a slash at its beginning.
    pub(super) path: String,
    pub(super) parameters: Vec<(String, Parameter)>,
    pub(super) statuses: Vec<u16>,
    pub(super) page: Page,
    /// The columns that its rows have.
    pub(super) columns: Vec<Column>,
}

/// What of a page are rows.
#[derive(Debug, Clone)]
pub(super) enum Page {
    Health {
        checks: Pointer,
    },
    Table {
        rows: Pointer,
        /// Whether the rows are members of an object, whose names stand in a column behind the target's.
        keyed: bool,
        /// The columns behind these two.
        cells: Vec<CellPointer>,
    },
}

impl Described for Query {
    type Spec = QuerySpec;

    fn resolve(scope: &mut Scope<'_>, file: &File, entry: &Entry<QuerySpec>) -> Option<Self> {
        let spec = entry.get()?;
        let path = path(scope, file, spec.path.as_ref());
        let parameters = parameters(scope, file, spec.parameters.as_ref());
        let statuses = statuses(scope, file, spec.statuses.as_ref());
        let rows = match &spec.rows {
            Some(entry) => pointer(scope, file, entry, entry.get()?),
            None => Some(Pointer::default()),
        };
        let kind = match &spec.page {
            Some(entry) => *entry.get()?,
            None => PageKind::default(),
        };
        let (page, columns) = match kind {
            PageKind::Health => {
                let spans = [
                    spec.key.as_ref().map(|entry| &entry.span),
                    spec.columns.as_ref().map(|entry| &entry.span),
                ];
                for span in spans.into_iter().flatten() {
                    let message = "a health page has columns of its own: `target`, `check`, `state` and `value`";
                    scope.mistake(file, span, message, |mistake| mistake.help("remove this"));
                }
                (Page::Health { checks: rows? }, health::columns())
            }
            PageKind::Json => table(scope, file, entry, spec, rows)?,
        };
        Some(Self {
            path: path?,
            parameters: parameters?,
            statuses: statuses?,
            page,
            columns,
        })
    }

    fn columns(&self) -> Option<&[Column]> {
        Some(&self.columns)
    }
}

fn table(
    scope: &mut Scope<'_>,
    file: &File,
    entry: &Entry<QuerySpec>,
    spec: &QuerySpec,
    rows: Option<Pointer>,
) -> Option<(Page, Vec<Column>)> {
    let Some(columns) = &spec.columns else {
        scope.mistake(
            file,
            &entry.span,
            "the query does not say what its columns are",
            |mistake| mistake.help("add `columns: {NAME: pointer}`, or say `page: health`"),
        );
        return None;
    };
    let mut names = vec![TARGET.to_owned()];
    let mut taken = BTreeSet::from([TARGET]);
    let own = columns.get()?.0.iter().map(|(name, _)| name);
    for name in spec.key.iter().chain(own) {
        let text = name.get()?;
        if !taken.insert(text) {
            let (message, help) = if text == TARGET {
                (
                    "the column `target` is the target's name already".to_owned(),
                    "call this one otherwise",
                )
            } else {
                (format!("the column `{text}` is given twice"), "rename one of them")
            };
            scope.mistake(file, &name.span, message, |mistake| mistake.help(help));
            return None;
        }
        names.push(text.clone());
    }
    let mut cells = Vec::new();
    for (_, place) in &columns.get()?.0 {
        let text = place.get()?;
        cells.push(if text.is_empty() || text.starts_with('/') {
            let pointer = pointer(scope, file, place, text)?;
            if text.is_empty() {
                CellPointer::OfRow(pointer)
            } else {
                CellPointer::OfPage(pointer)
            }
        } else {
            CellPointer::OfRow(pointer(scope, file, place, &format!("/{text}"))?)
        });
    }
    let columns = names.into_iter().map(column).collect();
    let page = Page::Table {
        rows: rows?,
        keyed: spec.key.is_some(),
        cells,
    };
    Some((page, columns))
}

/// JSON has no types of columns: what a cell is, is seen when it is read.
fn column(name: String) -> Column {
    Column {
        name,
        type_name: "json".to_owned(),
        numeric: true,
        label: true,
    }
}

fn pointer(scope: &mut Scope<'_>, file: &File, entry: &Entry<String>, text: &str) -> Option<Pointer> {
    let pointer = Pointer::parse(text);
    if let Err(error) = &pointer {
        scope.mistake(file, &entry.span, error.to_string(), |mistake| {
            mistake.help("write `/data/items`; in a name, `~1` stands for `/` and `~0` for `~` (RFC 6901)")
        });
    }
    pointer.ok()
}

fn path(scope: &mut Scope<'_>, file: &File, entry: Option<&Entry<String>>) -> Option<String> {
    let Some(entry) = entry else { return Some(String::new()) };
    let text = entry.get()?;
    let climbs = text.split('/').any(|part| matches!(part, "." | ".."));
    let (problem, help) = if !text.starts_with('/') || text.starts_with("//") {
        ("a path begins with one `/`", "write `/health`")
    } else if text.contains(['?', '#']) {
        (
            "a path has no query and no fragment",
            "put what follows the `?` into `parameters`",
        )
    } else if text.contains("{{") {
        ("a path has no placeholders", "put it into the URL of the source")
    } else if climbs || text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\' || c == '%') {
        (
            "a path has no `.`, `..`, spaces, `\\` or `%`",
            "write it as it is to be understood; it is encoded on the way",
        )
    } else {
        return Some(text.clone());
    };
    scope.mistake(file, &entry.span, problem, |mistake| mistake.help(help));
    None
}

fn parameters(
    scope: &mut Scope<'_>,
    file: &File,
    entry: Option<&Entry<Mapping<ParameterSpec>>>,
) -> Option<Vec<(String, Parameter)>> {
    let Some(entry) = entry else { return Some(Vec::new()) };
    let resolve = |(name, value): &(Entry<String>, _)| Some((name.get()?.clone(), scope.parameter(file, value)?));
    entry.get()?.0.iter().map(resolve).collect()
}

fn statuses(scope: &mut Scope<'_>, file: &File, entry: Option<&Entry<Vec<Entry<Count>>>>) -> Option<Vec<u16>> {
    let Some(entry) = entry else { return Some(vec![200]) };
    let mut statuses = Vec::new();
    let written = entry.get()?;
    if written.is_empty() {
        scope.mistake(file, &entry.span, "the list is empty", |mistake| {
            mistake.help("write `statuses: [200, 503]`, or remove the key")
        });
    }
    for status in written {
        let Count(number) = *status.get()?;
        match u16::try_from(number) {
            Ok(200..=299 | 402..=599) => {}
            _ => {
                let message = format!("under {number} there is no page");
                scope.mistake(file, &status.span, message, |mistake| {
                    mistake.help("a page may come with 200 to 299, and with 402 to 599")
                });
            }
        }
        statuses.extend(u16::try_from(number));
    }
    Some(statuses)
}
