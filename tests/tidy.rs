//! The house rules that the compiler can't see: which room may import which, what the core never touches, how long a
//! file may be, what is left open.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A room of `src/`, and the rooms it may import (besides itself). Drawn in ARCHITECTURE.md.
struct Room {
    name: &'static str,
    may_import: &'static [&'static str],
    /// Core rooms know no browser, no file, no network, no clock, no thread, no process.
    core: bool,
}

const ROOMS: &[Room] = &[
    Room { name: "tensors", may_import: &[], core: true },
    Room { name: "protocol", may_import: &[], core: true },
    Room { name: "ot", may_import: &[], core: true },
    Room { name: "viz", may_import: &[], core: true },
    Room { name: "format", may_import: &["tensors"], core: true },
    Room { name: "model", may_import: &["tensors"], core: true },
    Room { name: "text", may_import: &["tensors"], core: true },
    Room { name: "merge", may_import: &["tensors", "ot"], core: true },
    Room { name: "train", may_import: &["tensors", "model", "text"], core: true },
    Room { name: "experiment", may_import: &["merge", "train", "text"], core: true },
    Room {
        name: "engine",
        may_import: &["tensors", "format", "model", "text", "ot", "merge", "train", "experiment", "viz", "protocol"],
        core: true,
    },
    Room { name: "worker", may_import: &["engine", "protocol"], core: false },
    Room { name: "client", may_import: &["protocol"], core: false },
    Room { name: "ui", may_import: &["client", "viz", "protocol"], core: false },
    Room { name: "cli", may_import: &["engine", "experiment", "format", "protocol"], core: false },
];

/// What a core room never says, and why.
const FORBIDDEN_IN_CORE: &[(&str, &str)] = &[
    ("std::fs", "the core reads bytes that it is given"),
    ("std::net", "the core knows no network"),
    ("std::env", "what is set is asked for, not found in the environment"),
    ("std::process", "the core starts no program and ends none"),
    ("Instant::now", "panics in a browser; time is measured by the caller"),
    ("SystemTime::now", "panics in a browser"),
    ("std::thread", "there are no threads in a browser"),
    ("web_sys", "the core knows no browser"),
    ("js_sys", "the core knows no browser"),
    ("wasm_bindgen", "the core knows no browser"),
    ("leptos", "the core knows no page"),
    ("thread_rng", "every random number comes from a seed"),
];

/// What no Rust file says. Split in two, so that this file may name them.
const LEFT_OPEN: &[&str] =
    &[concat!("#[ign", "ore"), concat!("tod", "o!"), concat!("unimple", "mented!"), concat!("FIX", "ME")];

/// What no file says: paths of one machine.
const MACHINE_PATHS: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tm", "p/"),
    concat!("C:\\Us", "ers"),
];

/// Lines of a Rust file before its tests.
const MAX_LINES: usize = 500;

#[test]
fn rooms_import_only_what_the_table_allows() {
    let problems: Vec<String> = sources().iter().flat_map(|(path, text)| forbidden_edges(path, text)).collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn the_table_allows_no_more_than_is_imported() {
    let unused = unused_edges(&sources());
    assert!(unused.is_empty(), "allowed, and imported by no file: {}", unused.join(", "));
}

#[test]
fn every_room_is_in_the_table() {
    let known: BTreeSet<_> = ROOMS.iter().map(|room| room.name).collect();
    let found: BTreeSet<String> =
        sources().iter().filter_map(|(path, _)| room_of(path)).filter(|name| !known.contains(name.as_str())).collect();
    assert!(found.is_empty(), "not in the table of rooms: {found:?}");
    for edge in ROOMS.iter().flat_map(|room| room.may_import) {
        assert!(known.contains(edge), "the table lets a room import {edge}, which is no room");
    }
}

#[test]
fn the_table_has_no_circle() {
    // Every room imports only rooms that stand before it.
    for (index, room) in ROOMS.iter().enumerate() {
        for edge in room.may_import {
            assert!(ROOMS[..index].iter().any(|earlier| earlier.name == *edge), "{} imports {edge}", room.name);
        }
    }
}

#[test]
fn the_core_touches_nothing_outside_itself() {
    let problems: Vec<String> = sources().iter().flat_map(|(path, text)| forbidden_words(path, text)).collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn files_are_short() {
    let problems: Vec<String> = rust_files()
        .iter()
        .map(|(path, text)| (path, lines_before_tests(text)))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(path, lines)| format!("{}: {lines} lines before its tests, at most {MAX_LINES}", path.display()))
        .collect();
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn nothing_is_left_open() {
    let mut problems = Vec::new();
    for (path, text) in rust_files() {
        for (number, line) in text.lines().enumerate() {
            problems.extend(
                LEFT_OPEN
                    .iter()
                    .filter(|word| line.contains(**word))
                    .map(|word| format!("{}:{}: {word}", path.display(), number + 1)),
            );
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn no_file_knows_one_machine() {
    let mut problems = Vec::new();
    for (path, text) in files(&root(), &["rs", "toml", "md", "html", "css", "js", "json", "py", "yml", "sh"]) {
        for (number, line) in text.lines().enumerate() {
            problems.extend(
                MACHINE_PATHS
                    .iter()
                    .filter(|word| line.contains(**word))
                    .map(|word| format!("{}:{}: {word}", path.display(), number + 1)),
            );
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn the_checks_can_fail() {
    let edge = |path: &str, text: &str| forbidden_edges(Path::new(path), text).len();
    assert_eq!(edge("src/ui/page.rs", "use crate::engine::Engine;"), 1);
    assert_eq!(edge("src/ui/page.rs", "use crate::{client::Client, model::{Encoder, Head}, viz};"), 1);
    assert_eq!(edge("src/ot/exact.rs", "fn f() -> crate::tensors::Tensor {}"), 1);
    assert_eq!(edge("src/ot/exact.rs", "use super::super::tensors::Tensor;"), 1);
    assert_eq!(edge("src/ot/mod.rs", "use super::tensors::Tensor;"), 1);
    assert_eq!(edge("src/bin/app.rs", "use mera_lab::engine::Engine;"), 1);
    assert_eq!(edge("src/ot/exact.rs", "use super::Problem; use crate::ot::cost; // crate::tensors is far away"), 0);
    assert_eq!(edge("src/merge/mera.rs", "use crate::tensors::Tensor;\nuse crate::ot::{exact, Problem};"), 0);
    assert_eq!(edge("src/ot/exact.rs", "fn f() {}\n#[cfg(test)]\nmod tests { use crate::tensors::Tensor; }"), 0);
    let used = [("src/merge/mera.rs".into(), "use crate::ot::exact;".into())];
    assert_eq!(unused_edges(&[]).iter().filter(|edge| edge.starts_with("merge to ")).count(), 2);
    assert_eq!(unused_edges(&used).into_iter().find(|edge| edge.starts_with("merge to ")).unwrap(), "merge to tensors");
    let word = |path: &str, text: &str| forbidden_words(Path::new(path), text).len();
    assert_eq!(word("src/train/run.rs", "let start = Instant::now();"), 1);
    assert_eq!(word("src/train/run.rs", "/// Never calls Instant::now.\nfn f() {}"), 0);
    assert_eq!(word("src/ui/mod.rs", "use leptos::prelude::*;"), 0);
    assert_eq!(word("src/train/run.rs", "#[cfg(test)]\nmod fixtures;\nuse web_sys::Window;\n"), 1);
    assert_eq!(word("src/train/run.rs", "const HUB: &str = \"https://hub\"; type Now = Instant::now;"), 1);
    assert_eq!(word("src/train/run.rs", "let quote = '\"'; // Instant::now"), 0);
    assert_eq!(edge("src/ot/exact.rs", "#[cfg(test)]\nfn f() {}\nuse crate::tensors::Tensor;"), 1);
    assert_eq!(edge("src/ot/exact.rs", "#[cfg(test)]\n#[allow(x)]\npub(super) mod t {\n use crate::tensors::A; }"), 0);
    assert_eq!(lines_before_tests("a\nb\n#[cfg(test)]\nmod tests {}\n"), 2);
    assert_eq!(lines_before_tests("a\nb\n#[cfg(test)]\nmod tests;\n"), 2);
    assert_eq!(lines_before_tests("a\n#[cfg(test)]\nmod fixtures;\nb\n#[cfg(test)]\nmod tests {}\n"), 4);
}

/// Every import of a room that the importing file's room may not have.
fn forbidden_edges(path: &Path, text: &str) -> Vec<String> {
    let allowed: &[&str] = match path.file_stem().and_then(|stem| stem.to_str()) {
        _ if !path.starts_with("src/bin") => {
            match ROOMS.iter().find(|room| Some(room.name) == room_of(path).as_deref()) {
                Some(room) => room.may_import,
                None => return Vec::new(),
            }
        }
        // The programs are thin: each knows the room it opens.
        Some("app") => &["ui"],
        Some("worker") => &["worker"],
        _ => &["cli"],
    };
    let own = room_of(path).unwrap_or_else(|| "program".into());
    let forbidden = edges(path, text).into_iter().filter(|import| !allowed.contains(&import.as_str()));
    forbidden.map(|import| format!("{}: {own} must not import {import}", path.display())).collect()
}

/// Every import that the table allows and no file has, as `from to`.
fn unused_edges(sources: &[(PathBuf, String)]) -> Vec<String> {
    let used: BTreeSet<(Option<String>, String)> = sources
        .iter()
        .flat_map(|(path, text)| edges(path, text).into_iter().map(|import| (room_of(path), import)))
        .collect();
    let allowed = ROOMS.iter().flat_map(|room| room.may_import.iter().map(|import| (room.name, *import)));
    let unused = allowed.filter(|(from, to)| !used.contains(&(Some((*from).to_owned()), (*to).to_owned())));
    unused.map(|(from, to)| format!("{from} to {to}")).collect()
}

/// The rooms besides its own that a file's code imports before its tests.
fn edges(path: &Path, text: &str) -> Vec<String> {
    let (own, code) = (room_of(path), code_only(before_tests(text)));
    let mut rooms = imports(path, &code);
    rooms.retain(|import| own.as_ref() != Some(import) && ROOMS.iter().any(|room| room.name == import));
    rooms
}

/// The rooms that a file's code names by path: `crate::room`, `crate::{room, …}`, `mera_lab::room`, and enough
/// `super::` to leave its own room.
fn imports(path: &Path, code: &str) -> Vec<String> {
    // src/ot/mod.rs is one `super` away from the crate, src/ot/exact.rs two.
    let nested = path.components().count().saturating_sub(2);
    let depth = if path.file_name().is_some_and(|name| name == "mod.rs") { nested } else { nested + 1 };
    let climb = "super::".repeat(depth.max(1));
    let mut found = Vec::new();
    for prefix in ["crate::", "mera_lab::", climb.as_str()] {
        for (start, _) in code.match_indices(prefix) {
            let before = code[..start].chars().next_back();
            if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == ':') {
                continue;
            }
            let rest = code[start + prefix.len()..].trim_start();
            match rest.strip_prefix('{') {
                Some(group) => found.extend(heads_of_group(group)),
                None => found.push(identifier(rest)),
            }
        }
    }
    found
}

/// The first identifiers of a group's parts: `a::b, c::{d, e}}` gives a and c.
fn heads_of_group(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut at_head) = (0, Vec::new(), true);
    for (index, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_head = true,
            letter if letter.is_whitespace() => {}
            _ if at_head => {
                heads.push(identifier(&group[index..]));
                at_head = false;
            }
            _ => {}
        }
    }
    heads
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}

/// Every word in a core room's code that it must not say.
fn forbidden_words(path: &Path, text: &str) -> Vec<String> {
    let core = ROOMS.iter().any(|room| room.core && Some(room.name) == room_of(path).as_deref());
    if !core {
        return Vec::new();
    }
    let code = code_only(before_tests(text));
    let found = FORBIDDEN_IN_CORE.iter().filter(|(word, _)| code.contains(word));
    found.map(|(word, why)| format!("{}: {word}: {why}", path.display())).collect()
}

/// `src/ot/exact.rs` and `src/ot.rs` are in the room `ot`; `src/lib.rs` and the programs are in none.
fn room_of(path: &Path) -> Option<String> {
    let inside = path.strip_prefix("src").ok()?;
    let first = Path::new(inside.components().next()?.as_os_str()).file_stem()?.to_str()?;
    (!matches!(first, "lib" | "bin")).then(|| first.to_string())
}

/// The text up to its tests: a module of them written out, or one named on the file's last line. Another item that only
/// tests see may stand anywhere, and what follows it counts.
fn before_tests(text: &str) -> &str {
    let marker = "#[cfg(test)]\n";
    let opens_tests = |at: usize| {
        let item = text[at + marker.len()..].trim();
        let first = item.lines().find(|line| !line.starts_with("#[")).unwrap_or_default();
        let module =
            ["mod ", "pub mod ", "pub(crate) mod ", "pub(super) mod "].iter().any(|word| first.starts_with(word));
        module && (first.contains('{') || item.ends_with(first))
    };
    let mut starts = text.match_indices(marker).map(|(at, _)| at);
    let tests = starts.find(|&at| (at == 0 || text[..at].ends_with('\n')) && opens_tests(at));
    &text[..tests.unwrap_or(text.len())]
}

fn lines_before_tests(text: &str) -> usize {
    before_tests(text).lines().count()
}

/// The text without its line comments: what they speak of is not used.
fn code_only(text: &str) -> String {
    text.lines().map(|line| &line[..comment_start(line)]).collect::<Vec<_>>().join("\n")
}

/// Where a line's comment begins, the line's length where it has none. In a string, two slashes are no comment.
fn comment_start(line: &str) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (at, letter) in line.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' if line[..at].ends_with('\'') && line[at + 1..].starts_with('\'') => {}
            '"' => quoted = !quoted,
            '/' if !quoted && line[at..].starts_with("//") => return at,
            _ => {}
        }
    }
    line.len()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<(PathBuf, String)> {
    rust_files().into_iter().filter(|(path, _)| path.starts_with("src")).collect()
}

fn rust_files() -> Vec<(PathBuf, String)> {
    files(&root(), &["rs"])
}

/// Every file with one of the extensions, by its path in the repository.
fn files(folder: &Path, extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // What is built, fetched or hidden is not ours.
        if name.starts_with('.') || ["target", "dist", "node_modules", "models", "corpus"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path, extensions));
        } else if path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known)) {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            found.push((path.strip_prefix(root()).unwrap().to_path_buf(), text));
        }
    }
    found
}
