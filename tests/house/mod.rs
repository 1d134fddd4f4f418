//! The house: which folder may import which. Read from the `crate::` paths of the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;

/// The floors of the map in `src/lib.rs`, by the first part of a path below `src/`.
fn floors() -> BTreeMap<&'static str, u8> {
    BTreeMap::from([
        ("clock", 0),
        ("config", 0),
        ("metrics", 0),
        ("telemetry", 0),
        ("model", 1),
        ("otlp", 2),
        ("traceql", 2),
        ("store", 2),
        ("ingest", 3),
        ("query", 3),
        ("zipkin", 3),
        ("retention", 3),
        ("compaction", 3),
        ("server", 4),
        ("app", 5),
        ("cli", 5),
        ("main", 5),
        ("lib", 5),
    ])
}

/// Scenario: a file imports from its own floor or from above. Guarantee: such an arrow fails the tests.
#[test]
fn arrows_point_down() {
    let wrong: Vec<_> = sources().iter().flat_map(|(path, text)| wrong_arrows(path, text)).collect();
    assert!(wrong.is_empty(), "wrong arrows:\n{}", wrong.join("\n"));
}

/// Scenario: a wrong arrow is written in each way that Rust allows. Guarantee: the check above sees it.
#[test]
fn the_check_sees_every_way_to_write_an_arrow() {
    for text in [
        "use crate::server::web;",
        "fn f() { crate::query::run() }",
        "use crate::{model::Span, ingest::Ingest};",
        "use crate::{\n    model::{Span, SpanKey},\n    ingest,\n};",
        "use crate::store::SpanStore;",
        "use tracewell::server;",
    ] {
        assert_eq!(wrong_arrows(Path::new("otlp/mod.rs"), text).len(), 1, "{text}");
    }
    let fine =
        "use crate::model::Span;\nuse crate::otlp::decode;\nuse crate::{metrics::Metrics, model};\n// crate::server";
    assert_eq!(wrong_arrows(Path::new("otlp/mod.rs"), fine), Vec::<String>::new());
}

/// Scenario: a door of `server/` leans on another door. Guarantee: such an arrow fails the tests: what doors share stands
/// beside them.
#[test]
fn no_door_knows_another() {
    let wrong: Vec<_> = sources().iter().flat_map(|(path, text)| doors_known(path, text)).collect();
    assert!(wrong.is_empty(), "wrong arrows:\n{}", wrong.join("\n"));
    for (path, text) in [
        ("server/zipkin/mod.rs", "use super::otlp::Doors;"),
        ("server/zipkin/collect.rs", "use super::super::{status::Failure, otlp};"),
        ("server/otlp/http.rs", "use crate::server::zipkin;"),
        ("server/jaeger/v3/http.rs", "fn f() { super::super::super::tempo::f() }"),
    ] {
        assert_eq!(doors_known(Path::new(path), text).len(), 1, "{text}");
    }
    let fine = "use super::query;\nuse super::super::status::Failure;\nuse crate::query::Query;\nuse crate::zipkin;";
    assert_eq!(doors_known(Path::new("server/zipkin/search.rs"), fine), Vec::<String>::new());
}

/// Scenario: a file grows. Guarantee: past 600 lines before its tests it must become a folder.
#[test]
fn files_stay_small() {
    let long = sources().into_iter().filter(|(path, text)| {
        let code = text.split("#[cfg(test)]").next().unwrap_or(text);
        !path.starts_with("server/generated") && code.lines().count() > 600
    });
    assert_eq!(long.map(|(path, _)| path).collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

/// Scenario: a setting is added, or its default changes. Guarantee: the README's table says so.
#[test]
fn the_readme_names_every_setting_with_its_default() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let rows: Vec<_> = readme.lines().filter(|line| line.starts_with("| `--")).collect();
    let command = tracewell::cli::Cli::command();
    let settings: Vec<_> = command.get_arguments().filter(|arg| arg.get_env().is_some()).collect();
    assert_eq!(rows.len(), settings.len());
    for setting in settings {
        let (flag, variable) = (setting.get_long().unwrap(), setting.get_env().unwrap().to_str().unwrap());
        let default: Vec<_> = setting.get_default_values().iter().filter_map(|value| value.to_str()).collect();
        let default = if flag == "database-url" { "`sqlite:tracewell.db`".to_owned() } else { default.concat() };
        let row = format!("| `--{flag}` | `{variable}` | {default} | ");
        assert!(rows.iter().any(|line| line.starts_with(&row)), "the README has no row {row}");
    }
}

fn wrong_arrows(path: &Path, text: &str) -> Vec<String> {
    let floors = floors();
    let own = room(path);
    let own_floor = floors.get(own.as_str()).unwrap_or_else(|| panic!("{}: no floor in tests/house", path.display()));
    targets(text)
        .into_iter()
        .filter(|target| *target != own)
        .filter(|target| floors.get(target.as_str()).is_none_or(|floor| floor >= own_floor) && *own_floor < 5)
        .map(|target| format!("{} -> {target}", path.display()))
        .collect()
}

/// The doors of `server/`, a folder each.
const DOORS: [&str; 5] = ["jaeger", "otlp", "query", "tempo", "zipkin"];

/// The other doors that a file of a door names.
fn doors_known(path: &Path, text: &str) -> Vec<String> {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let Some(own) = parts.get(1).filter(|door| parts[0] == "server" && DOORS.contains(&door.as_ref())) else {
        return Vec::new();
    };
    let depth = parts.len() - 1 - usize::from(parts.last().is_some_and(|file| file == "mod.rs"));
    let code: Vec<_> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let known =
        [named_after(&code.join("\n"), &"super::".repeat(depth)), named_after(&code.join("\n"), "crate::server::")];
    let known = known.concat().into_iter().filter(|door| DOORS.contains(&door.as_str()) && door != own);
    known.map(|door| format!("{} -> server/{door}", path.display())).collect()
}

/// What is named right after this beginning of a path, and not after a longer one.
fn named_after(code: &str, start: &str) -> Vec<String> {
    let ends = code.match_indices(start).filter(|(at, _)| !code[..*at].ends_with("super::"));
    let rest = ends.map(|(at, _)| code[at + start.len()..].trim_start());
    rest.flat_map(|rest| match rest.strip_prefix('{') {
        Some(group) => group_heads(group),
        None => head(rest).into_iter().collect(),
    })
    .collect()
}

/// The first part of a path below `src/`, without the ending.
fn room(path: &Path) -> String {
    let first = path.iter().next().unwrap_or_default().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms that a source names after `crate::` or `tracewell::`, comments left out.
fn targets(text: &str) -> Vec<String> {
    let code: Vec<_> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut targets = Vec::new();
    for root in ["crate::", "tracewell::"] {
        for (at, _) in code.match_indices(root) {
            let rest = code[at + root.len()..].trim_start();
            match rest.strip_prefix('{') {
                Some(group) => targets.extend(group_heads(group)),
                None => targets.extend(head(rest)),
            }
        }
    }
    targets
}

/// The first words of the items of a `use crate::{…}` group.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut item_starts) = (0, Vec::new(), true);
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => item_starts = true,
            char if item_starts && !char.is_whitespace() => {
                heads.extend(head(&group[at..]));
                item_starts = false;
            }
            _ => {}
        }
    }
    heads
}

fn head(path: &str) -> Option<String> {
    let end = path.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(path.len());
    (end > 0).then(|| path[..end].to_owned())
}

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    assert!(sources.len() > 10, "the sources were not found");
    sources
}
