//! A file of another exporter's configuration as a tree, of which every part knows where it stands.

use std::ops::Range;
use std::path::{Path, PathBuf};

use shared::config::position;
use shared::config::yaml::{self, Key, MAX_FILE_BYTES, Node, Value};

use super::model::{Imported, Place};

/// A file as it was read.
#[derive(Debug)]
pub(super) struct Document {
    path: PathBuf,
    text: String,
    pub(super) root: Node,
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The system does not give it.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is larger than any configuration.
    #[error("{} has more than {} KiB; is it a configuration?", .0.display(), MAX_FILE_BYTES / 1024)]
    TooLarge(PathBuf),
    /// It is no YAML.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
}

impl Document {
    pub(super) fn read(path: &Path) -> Result<Self, Unreadable> {
        let file = |source| Unreadable::File {
            path: path.to_owned(),
            source,
        };
        let length = std::fs::metadata(path).map_err(file)?.len();
        if length > MAX_FILE_BYTES {
            return Err(Unreadable::TooLarge(path.to_owned()));
        }
        Self::parse(path, std::fs::read_to_string(path).map_err(file)?)
    }

    pub(super) fn parse(path: &Path, text: String) -> Result<Self, Unreadable> {
        match yaml::parse(&text) {
            Ok(root) => Ok(Self {
                path: path.to_owned(),
                text,
                root,
            }),
            Err(error) => {
                let (line, column) = position(&text, error.span.start);
                Err(Unreadable::Syntax {
                    path: path.to_owned(),
                    line,
                    column,
                    message: error.message,
                })
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        let (line, column) = position(&self.text, span.start);
        Place {
            file: self.path.clone(),
            line,
            column,
        }
    }

    /// The comments that stand right above something, without their `#`; none that may hold a password.
    pub(super) fn comments_above(&self, span: &Range<usize>) -> Vec<String> {
        let before = self.text.get(..span.start).unwrap_or_default();
        let lines = before.rsplit('\n').skip(1);
        let mut comments: Vec<String> = lines
            .map_while(|line| line.trim_start().strip_prefix('#'))
            .filter(|comment| {
                let comment = comment.to_lowercase();
                !["://", "@", "password", "secret", "token"]
                    .iter()
                    .any(|word| comment.contains(word))
            })
            .map(|comment| comment.strip_prefix(' ').unwrap_or(comment).trim_end().to_owned())
            .collect();
        comments.reverse();
        comments
    }

    /// Notes the keys of a mapping that are neither carried over nor without meaning here: `left` says why of each known
    /// one.
    pub(super) fn leave(&self, node: &Node, carried: &[&str], left: &[(&str, &str)], imported: &mut Imported) {
        for (Key { span, name }, _) in node.entries() {
            if carried.contains(&name.as_str()) {
                continue;
            }
            let why = left.iter().find(|(key, _)| key == name).map(|(_, why)| *why);
            match why {
                // It concerns nothing that Fanlight does.
                Some("") => {}
                Some(why) => imported.note(self.place(span), format!("`{name}`: {why}")),
                None => imported.note(self.place(span), format!("`{name}` is not a key that is known here")),
            }
        }
    }
}

/// Reading a node as what it should be; what it is not is nothing.
pub(super) trait Tree {
    fn entries(&self) -> &[(Key, Node)];
    fn items(&self) -> &[Node];
    fn get(&self, name: &str) -> Option<&Node>;
    fn text(&self) -> Option<String>;

    /// A text under a key.
    fn text_of(&self, name: &str) -> Option<String> {
        self.get(name).and_then(Tree::text)
    }

    /// The texts of a list under a key, or the one text that stands there.
    fn texts_of(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            Some(node) if node.items().is_empty() => node.text().into_iter().collect(),
            Some(node) => node.items().iter().filter_map(Tree::text).collect(),
            None => Vec::new(),
        }
    }

    /// Names and texts of a mapping under a key.
    fn pairs_of(&self, name: &str) -> Vec<(String, String)> {
        let entries = self.get(name).map(Tree::entries).unwrap_or_default();
        let pairs = entries
            .iter()
            .filter_map(|(key, node)| Some((key.name.clone(), node.text()?)));
        pairs.collect()
    }
}

impl Tree for Node {
    fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    fn items(&self) -> &[Node] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    fn get(&self, name: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, node)| node)
    }

    fn text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            Value::Boolean(value) => Some(value.to_string()),
            Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }
}
