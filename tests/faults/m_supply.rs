//! M: configuration, secrets, supply chain.

use std::collections::{BTreeMap, BTreeSet};

use super::catcher::Catcher;
use crate::common::faults::{Scenario, tried};

#[test]
fn m6_the_proxy_variables_of_the_environment_are_not_used() {
    let catcher = Catcher::listen();
    let names = [
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ];
    let scenario = names.iter().fold(Scenario::of(3), |scenario, name| {
        scenario.setting(name, &catcher.origin())
    });
    scenario.sync().code(0).everybody_right();
    assert_eq!(catcher.visitors(), 0);
    tried("M6", names.len());
}

/// What `cargo deny` goes by.
fn denied() -> toml::Table {
    toml::from_str(include_str!("../../deny.toml")).expect("deny.toml is TOML")
}

#[test]
fn m8_every_dependency_is_locked_comes_from_the_one_registry_and_is_not_a_denied_one() {
    let lock: toml::Table = toml::from_str(include_str!("../../Cargo.lock")).expect("the lock file is TOML");
    let packages = lock["package"].as_array().expect("packages");
    let denied = denied();
    let banned: Vec<&str> = denied["bans"]["deny"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|entry| entry["crate"].as_str())
        .collect();
    let mut sources = BTreeSet::new();
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        assert!(!banned.contains(&name), "{name} is denied in deny.toml");
        let Some(source) = package.get("source") else {
            assert_eq!(name, "avatar-sync", "{name} comes from a folder");
            continue;
        };
        let source = source.as_str().expect("text");
        assert!(source.starts_with("registry+"), "{name} comes from {source}");
        assert!(
            package.get("checksum").is_some(),
            "{name} is not locked by its content"
        );
        sources.insert(source);
    }
    assert_eq!(sources.len(), 1, "{sources:?}");
    tried("M8", packages.len());
}

#[test]
fn m8_every_dependency_has_a_licence_that_deny_toml_allows() {
    let denied = denied();
    let list = |value: &toml::Value| -> BTreeSet<String> {
        let texts = value
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|text| text.as_str());
        texts.map(str::to_owned).collect()
    };
    let allowed = list(&denied["licenses"]["allow"]);
    let mut special: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in denied["licenses"]["exceptions"].as_array().expect("a list") {
        special.insert(
            entry["crate"].as_str().expect("a name").to_owned(),
            list(&entry["allow"]),
        );
    }
    let clarified: BTreeMap<&str, &str> = denied["licenses"]["clarify"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|entry| Some((entry["crate"].as_str()?, entry["expression"].as_str()?)))
        .collect();
    // What this build is made of: what cargo has fetched is enough to answer, nothing is asked of the network.
    let arguments = [
        "tree",
        "--locked",
        "--offline",
        "--edges",
        "normal,build,dev",
        "--prefix",
        "none",
        "--format",
        "{p}|{l}",
    ];
    let tree = cargo(&arguments);
    let packages: BTreeSet<(&str, &str)> = tree
        .lines()
        .map(|line| line.split_once('|').expect("the format asked for"))
        .map(|(package, licence)| {
            (
                package.split(' ').next().unwrap_or(package),
                licence.trim_end_matches(" (*)"),
            )
        })
        .filter(|(name, _)| *name != "avatar-sync")
        .collect();
    assert!(packages.len() > 100, "{tree}");
    for (name, licence) in &packages {
        let licence = clarified.get(name).unwrap_or(licence);
        let is_allowed =
            |one: &str| allowed.contains(one) || special.get(*name).is_some_and(|more| more.contains(one));
        assert!(
            is_fulfilled(licence, &is_allowed),
            "{name} is under {licence:?}, which deny.toml does not allow"
        );
    }
    tried("M8", packages.len());
}

/// What cargo says.
fn cargo(arguments: &[&str]) -> String {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let output = std::process::Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs this test");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// True if a licence expression (SPDX 2.3, annex D) can be fulfilled with what is allowed. `/` is an old `OR`.
fn is_fulfilled(expression: &str, is_allowed: &impl Fn(&str) -> bool) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let fulfilled = any(&mut rest, is_allowed);
    fulfilled && rest.is_empty()
}

fn any(words: &mut &[&str], is_allowed: &impl Fn(&str) -> bool) -> bool {
    let mut fulfilled = all(words, is_allowed);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        fulfilled |= all(words, is_allowed);
    }
    fulfilled
}

fn all(words: &mut &[&str], is_allowed: &impl Fn(&str) -> bool) -> bool {
    let mut fulfilled = one(words, is_allowed);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        fulfilled &= one(words, is_allowed);
    }
    fulfilled
}

fn one(words: &mut &[&str], is_allowed: &impl Fn(&str) -> bool) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let fulfilled = any(words, is_allowed);
            match *words {
                [")", rest @ ..] => *words = rest,
                _ => return false,
            }
            fulfilled
        }
        [licence, "WITH", exception, rest @ ..] => {
            *words = rest;
            is_allowed(&format!("{licence} WITH {exception}"))
        }
        [licence, rest @ ..] => {
            *words = rest;
            is_allowed(licence)
        }
        [] => false,
    }
}

#[test]
fn licence_expressions_are_read_as_they_are_meant() {
    let allowed = |one: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&one);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only AND MIT", false),
        ("MIT/Apache-2.0", true),
        ("(GPL-3.0-only OR MIT) AND ISC", true),
        ("GPL-3.0-only OR MIT AND Apache-2.0", false),
        ("Apache-2.0", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("(MIT", false),
        ("", false),
    ] {
        assert_eq!(is_fulfilled(expression, &allowed), expected, "{expression:?}");
    }
}
