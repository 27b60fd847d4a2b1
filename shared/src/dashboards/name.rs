//! Names of dashboards, of their files and folders, and what Grafana knows them by.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

/// The folder of services that name none.
pub(crate) const DEFAULT_FOLDER: &str = "Fanlight";
/// The longest `uid` that Grafana stores.
const LONGEST_UID: usize = 40;
/// The longest folder: Grafana's titles end there, and so do names of files less what stands before.
const LONGEST_FOLDER: usize = 100;

/// A dashboard's name in a URL and a file: letters, digits, `.`, `_` and `-`.
pub(super) fn plain(name: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let plain: String = name.chars().map(|c| if kept(c) { c } else { '-' }).collect();
    // A file whose name begins with a dot is hidden.
    if plain.starts_with('.') {
        format!("-{plain}")
    } else {
        plain
    }
}

/// Stable as long as environment and name are, and of the characters and length that Grafana allows.
pub(super) fn uid(environment: &str, name: &str) -> String {
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
            c
        } else {
            '-'
        }
    };
    let full: String = format!("fanlight-{environment}-{name}").chars().map(kept).collect();
    if full.len() <= LONGEST_UID && !name.contains(|c| kept(c) != c) {
        return full;
    }
    // What is cut off or replaced is told apart by a hash.
    let mut hash = String::from("-");
    for byte in &digest(&SHA256, format!("{environment}/{name}").as_bytes()).as_ref()[..4] {
        // Writing to a String does not fail.
        let _ = write!(hash, "{byte:02x}");
    }
    let head = full.len().min(LONGEST_UID - hash.len());
    format!("{}{hash}", &full[..head])
}

/// What keeps a text from being a folder, on disk as well as in Grafana.
pub(crate) fn folder_problem(folder: &str) -> Option<&'static str> {
    if folder.is_empty() || folder.trim() != folder {
        Some("the name of a folder is empty, or begins or ends with a space")
    } else if folder.chars().count() > LONGEST_FOLDER {
        Some("the name of a folder has 100 characters at most")
    } else if folder.starts_with('.') || folder.contains(['/', '\\']) || folder.contains(char::is_control) {
        Some("the name of a folder is also that of a directory: it does not begin with `.`, nor hold `/` or `\\`")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_in_a_url_and_a_file() {
        for (name, file) in [
            ("growth-main", "growth-main"),
            ("a b/c", "a-b-c"),
            ("..", "-.."),
            ("été", "-t-"),
        ] {
            assert_eq!(plain(name), file);
        }
    }

    #[test]
    fn what_grafana_knows_a_dashboard_by_is_stable_and_short() {
        assert_eq!(uid("prod", "growth-main"), "fanlight-prod-growth-main");
        let long = uid("prod", "a-service-with-a-rather-long-name-main");
        assert_eq!(long, "fanlight-prod-a-service-with-a--eb8db374");
        assert_eq!(long.len(), LONGEST_UID);
        assert_ne!(uid("prod", "a.b-main"), uid("prod", "a-b-main"));
    }

    #[test]
    fn a_folder_is_one_on_disk_too() {
        for folder in ["Growth", "Équipe Growth", "a.b"] {
            assert_eq!(folder_problem(folder), None, "{folder}");
        }
        let long = "a".repeat(101);
        for folder in ["", " a", "a ", "..", ".git", "a/b", "a\\b", "a\nb", &long] {
            assert!(folder_problem(folder).is_some(), "{folder}");
        }
    }
}
