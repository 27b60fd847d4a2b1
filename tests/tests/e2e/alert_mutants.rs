//! Whatever is changed in a generated rule, of each form of alerts, one of its tests fails: otherwise they would prove little.

use std::fmt::Write as _;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use fanlight_tests::ConfigFolder;
use shared::alerts::BuiltFile;

use crate::command_alerts::every_form;

/// Rules that one promtool is given: starting one takes as long as testing several.
const AT_ONCE: usize = 50;

/// Alerts whose gate is that of another of the same form.
const SAME_GATE: [&str; 8] = [
    "BelowAFraction",
    "BelowZero",
    "AddedUp",
    "NoVisits",
    "NoMailsAtAll",
    "MailsFailed",
    "OwnFail",
    "OwnShare",
];

/// A rule file in which one thing is not as it was built, or none.
struct Mutant {
    /// What is not.
    change: Option<String>,
    text: String,
}

#[test]
fn no_change_of_a_rule_goes_unnoticed() -> Result<()> {
    let config = ConfigFolder::new(&[("config/fanlight.yaml", &every_form("* * * * *", "10m", "3m"))])?;
    let loaded = shared::config::load_with_alerts(&config.path().join("config"))?;
    ensure!(loaded.report.mistakes() == 0, "{}", loaded.report.render(false));
    let parts = shared::alerts::parts(&loaded.configuration.environments)?;
    let mut mutants = Vec::new();
    for pair in parts.chunks(2) {
        let [rules, tests] = pair else {
            anyhow::bail!("rules without tests: {pair:?}");
        };
        ensure!(rules.alerts.is_some() && tests.tests > 0, "{rules:?} {tests:?}");
        let unchanged = Mutant {
            change: None,
            text: rules.text.clone(),
        };
        let all = of(rules)?.into_iter().chain([unchanged]);
        mutants.extend(all.map(|mutant| (mutant, rules, tests)));
    }
    // Every rule has more labels, annotations and terms than this.
    assert!(mutants.len() > 20 * parts.len() / 2, "{}", mutants.len());
    let folder = config.path();
    let survivors = std::thread::scope(|scope| {
        let halves = mutants.chunks(mutants.len().div_ceil(2)).enumerate();
        let running: Vec<_> = halves
            .map(|(half, mutants)| scope.spawn(move || unnoticed(&folder.join(half.to_string()), mutants)))
            .collect();
        let ended = running.into_iter().map(|thread| thread.join().unwrap());
        ended.collect::<Result<Vec<_>>>()
    })?;
    let survivors = survivors.concat();
    assert!(
        survivors.is_empty(),
        "{} of {} changes go unnoticed:\n{}",
        survivors.len(),
        mutants.len(),
        survivors.join("\n")
    );
    Ok(())
}

/// The changes with which all tests pass; those of a rule that is not changed have to.
fn unnoticed(folder: &Path, mutants: &[(Mutant, &BuiltFile, &BuiltFile)]) -> Result<Vec<String>> {
    let mut survivors = Vec::new();
    for (batch, mutants) in mutants.chunks(AT_ONCE).enumerate() {
        let folder = folder.join(batch.to_string());
        let mut files = Vec::new();
        for (number, (mutant, rules, tests)) in mutants.iter().enumerate() {
            let own = folder.join(number.to_string());
            fs::create_dir_all(&own)?;
            fs::write(own.join(rules.path.file_name().unwrap()), &mutant.text)?;
            let name = tests.path.file_name().unwrap();
            fs::write(own.join(name), &tests.text)?;
            files.push(format!("{number}/{}", name.display()));
        }
        let output = Command::new("promtool")
            .args(["test", "rules"])
            .args(&files)
            .current_dir(&folder)
            .output()?;
        let said = String::from_utf8([output.stdout, output.stderr].concat())?;
        // A rule that is none would fail every test.
        ensure!(!said.contains("could not parse"), "{said}");
        for (file, (mutant, ..)) in files.iter().zip(mutants) {
            // `SUCCESS` is on the line after the file's name; what fails is told apart, on the standard error.
            let Some((_, after)) = said.split_once(&format!("Unit Testing:  {file}\n")) else {
                anyhow::bail!("promtool has not tested {file}:\n{said}");
            };
            let passes = after.trim_start().starts_with("SUCCESS");
            match &mutant.change {
                Some(change) if passes => survivors.push(change.clone()),
                None => ensure!(passes, "{file} is as it was built and fails:\n{said}"),
                Some(_) => {}
            }
        }
    }
    Ok(survivors)
}

/// All changes of the rules that the tests of a part are of.
fn of(rules: &BuiltFile) -> Result<Vec<Mutant>> {
    let name = rules.path.file_name().unwrap().to_string_lossy();
    let alert = name.split('.').nth(1).unwrap_or_default();
    let is_written = alert.starts_with("Written");
    let mut mutants = Vec::new();
    let (mut is_own, mut at) = (false, 0);
    let mut add = |line: &str, at: usize, place: Range<usize>, with: &str| {
        let mut text = rules.text.clone();
        text.replace_range(at + place.start..at + place.end, with);
        let mut change = format!("{alert}: {}", line.trim());
        let _ = write!(change, ": `{}` became `{with}`", &line[place]);
        mutants.push(Mutant {
            change: Some(change),
            text,
        });
    };
    let mut section = "";
    for line in rules.text.split_inclusive('\n') {
        let end = line.trim_end().len();
        let key = line.strip_prefix("    ").and_then(|line| line.split_once(':'));
        if let Some(name) = line.strip_prefix("  - alert: ") {
            is_own = name.trim() == alert;
            if is_own {
                add(line, at, end..end, "Other");
            }
        } else if let Some((key, _)) = key.filter(|(key, _)| !key.starts_with(' ')) {
            section = key;
        }
        match section {
            _ if !is_own => {}
            "for" if key.is_some() => {
                let value = line.find(": ").map_or(0, |colon| colon + 2);
                add(line, at, value..end, &written(seconds(&line[value..end]) - 60));
                add(line, at, value..end, &written(seconds(&line[value..end]) + 60));
            }
            "expr" if line.starts_with("      ") => {
                let gate = ["and on ()", "time()", "vector(1)"];
                let is_gate = gate.iter().any(|start| line.trim_start().starts_with(start));
                // What an expression does at its threshold only its team knows.
                let is_changed = if is_gate {
                    !SAME_GATE.contains(&alert)
                } else {
                    !is_written
                };
                if is_changed {
                    for (place, with) in in_expression(line) {
                        add(line, at, place, &with);
                    }
                }
            }
            // Nor which series it is about that fires for want of one.
            "annotations" if alert == "WrittenOfAbsence" => {}
            "labels" | "annotations" if line.starts_with("      ") && !line.ends_with("-\n") => {
                let quoted = line[..end].ends_with(['"', '\'']);
                let last = end - usize::from(quoted);
                add(line, at, last..last, "x");
            }
            _ => {}
        }
        at += line.len();
    }
    ensure!(!mutants.is_empty(), "{alert} has no rule:\n{}", rules.text);
    Ok(mutants)
}

/// The changes of a line of an expression: each term of a gate left out, each comparison, number, window, offset, function and matcher.
fn in_expression(line: &str) -> Vec<(Range<usize>, String)> {
    let mut changes = Vec::new();
    if let Some(start) = line.find("and on () ") {
        changes.push((start..line.trim_end().len(), String::new()));
    }
    for (sign, others) in [
        (" < ", [" <= ", " > ", " != "]),
        (" > ", [" >= ", " < ", " != "]),
        (" >= ", [" > ", " < ", " != "]),
        (" <= ", [" < ", " > ", " != "]),
        (" == ", [" > ", " < ", " != "]),
    ] {
        for (start, _) in line.match_indices(sign) {
            let number = start + sign.len();
            changes.extend(others.map(|other| (start..number, other.to_owned())));
            let end = line[number..]
                .find([' ', '\n', ')'])
                .map_or(line.len(), |length| number + length);
            if let Ok(value) = line[number..end].parse::<f64>() {
                // What is compared with the age of a push moves by a step.
                let near = if line.contains("time()") {
                    60.0
                } else {
                    (value.abs() * 0.002).max(0.002)
                };
                changes.extend([-near, near].map(|near| (number..end, format!("{}", value + near))));
            }
        }
    }
    for opening in ["[", " offset "] {
        for (start, _) in line.match_indices(opening) {
            let start = start + opening.len();
            let end = line[start..]
                .find([']', ')', ' ', '\n'])
                .map_or(line.len(), |length| start + length);
            let length = seconds(&line[start..end]);
            // What moved only in the first two minutes has another value than before it, which is asked for too.
            let is_also_compared = opening == "[" && line.contains(" == 0 and ");
            // How a window counts its ends depends on the version of Prometheus, so that two steps cannot be told.
            let others = [length + 120, length - 120].into_iter();
            let others = others.take(if is_also_compared { 1 } else { 2 });
            changes.extend(others.map(|length| (start..end, written(length))));
        }
    }
    if let Some((before, _)) = line.split_once(" and ").filter(|(_, after)| after.contains(" offset ")) {
        changes.push((before.len()..line.trim_end().len(), String::new()));
    }
    for (function, other) in [
        ("absent_over_time", "present_over_time"),
        ("max(max", "min(max"),
        ("max_over_time", "min_over_time"),
        ("- max(", "- min("),
        (" unless ", " and "),
        (" * 0)", " * 9)"),
    ] {
        changes.extend(
            line.match_indices(function)
                .map(|(at, _)| (at..at + function.len(), other.to_owned())),
        );
    }
    changes.extend(matchers(line).map(|value| (value, "other".to_owned())));
    // What is multiplied by 0 must only be there.
    if let Some((start, end)) = line.find(" or ").zip(line.find(" * 0)")) {
        changes.retain(|(place, _)| !(start..end).contains(&place.start));
    }
    changes
}

/// The values of the matchers of a line; a quote with a backslash before it ends none.
fn matchers(line: &str) -> impl Iterator<Item = Range<usize>> {
    let starts = line.match_indices("=\"").map(|(start, sign)| start + sign.len());
    starts.filter_map(|start| {
        let bytes = line.as_bytes();
        let end = (start..line.len()).find(|at| bytes[*at] == b'"' && bytes[at - 1] != b'\\')?;
        Some(start..end)
    })
}

/// The seconds of a duration such as `1h30m`.
fn seconds(text: &str) -> u64 {
    let mut sum = 0;
    let mut number = 0;
    for character in text.chars() {
        match character.to_digit(10) {
            Some(digit) => number = number * 10 + u64::from(digit),
            None => {
                sum += number
                    * match character {
                        'd' => 86_400,
                        'h' => 3_600,
                        'm' => 60,
                        _ => 1,
                    };
                number = 0;
            }
        }
    }
    sum
}

fn written(seconds: u64) -> String {
    format!("{seconds}s")
}
