//! The recipes in `assets/recipes` and the commands in `docs/schedule.md`: each file is read in its own format, every
//! command line in it is one that the program accepts, and every environment variable one that it knows.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use avatar_sync::config::settings::SETTINGS;
use avatar_sync::schedule::{Schedule, parse_duration};
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/recipes")
}

fn read(name: &str) -> String {
    let path = root().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every recipe, by its path below the folder.
fn names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in std::fs::read_dir(root()).expect("recipes").flatten() {
        for file in std::fs::read_dir(folder.path()).expect("a folder").flatten() {
            let folder = folder.file_name().into_string().expect("text");
            names.insert(format!(
                "{folder}/{}",
                file.file_name().into_string().expect("text")
            ));
        }
    }
    names
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut is_quoted = false;
    for character in line.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            other => word.push(other),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Fails unless the program accepts this command line; its first word is the program.
#[track_caller]
fn accepted(place: &str, line: &[String]) {
    let program = line.first().unwrap_or_else(|| panic!("{place}: no command"));
    let name = program.rsplit(['/', '\\']).next().expect("a name");
    assert!(
        ["avatar-sync", "avatar-sync.exe"].contains(&name),
        "{place}: {program}"
    );
    let matches = avatar_sync::cli::command()
        .try_get_matches_from(line)
        .unwrap_or_else(|error| panic!("{place}: {line:?}: {error}"));
    let Some(("sync", sync)) = matches.subcommand() else {
        return;
    };
    for flag in ["every", "jitter"] {
        if let Some(text) = sync.get_one::<String>(flag) {
            parse_duration(text).unwrap_or_else(|error| panic!("{place}: {error}"));
        }
    }
    if let Some(pattern) = sync.get_one::<String>("cron") {
        is_pattern(place, pattern);
    }
}

#[track_caller]
fn is_pattern(place: &str, pattern: &str) {
    Schedule::cron(pattern, jiff::tz::TimeZone::UTC, jiff::Timestamp::now())
        .unwrap_or_else(|error| panic!("{place}: {error}"));
}

/// Fails unless every variable of ours that is mentioned is one of ours.
#[track_caller]
fn variables_are_known(place: &str, text: &str) {
    let mut known: BTreeSet<String> = SETTINGS
        .iter()
        .map(avatar_sync::config::settings::Setting::environment_name)
        .collect();
    known.extend(
        ["PROFILE", "CONFIG_DIR", "STATE_DIR", "CACHE_DIR"].map(|name| format!("AVATAR_SYNC_{name}")),
    );
    let pattern = regex::Regex::new("AVATAR_SYNC_[A-Z0-9_]+").expect("a pattern");
    for found in pattern.find_iter(text) {
        assert!(known.contains(found.as_str()), "{place}: {}", found.as_str());
    }
}

/// `Key=value` by section; a key may stand more than once.
fn unit(text: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut entries = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            name.clone_into(&mut section);
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("no entry: {line}"));
        entries.push((section.clone(), key.to_owned(), value.to_owned()));
    }
    entries
}

fn entry<'a>(unit: &'a [(String, String, String)], section: &str, key: &str) -> &'a str {
    unit.iter()
        .find(|(in_section, name, _)| in_section == section && name == key)
        .map_or_else(|| panic!("[{section}] {key}"), |(_, _, value)| value)
}

fn yaml(name: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn list(value: &Value) -> Vec<String> {
    let items = value.as_array().unwrap_or_else(|| panic!("a list: {value}"));
    items
        .iter()
        .map(|item| {
            item.as_str()
                .unwrap_or_else(|| panic!("quoted text: {item}"))
                .to_owned()
        })
        .collect()
}

fn parse_xml<'a>(name: &str, text: &'a str) -> roxmltree::Document<'a> {
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..roxmltree::ParsingOptions::default()
    };
    roxmltree::Document::parse_with_options(text, options).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_recipe_is_known_here() {
    let known = [
        "cron/avatar-sync",
        "docker/Dockerfile",
        "kubernetes/cronjob.yaml",
        "kubernetes/deployment.yaml",
        "launchd/io.github.avatar-sync.plist",
        "systemd/avatar-sync.service",
        "systemd/avatar-sync.timer",
        "windows/avatar-sync.xml",
    ];
    assert_eq!(names(), known.map(str::to_owned).into());
    for name in known {
        variables_are_known(name, &read(name));
    }
}

#[test]
fn the_systemd_units_start_a_run_that_can_only_write_to_its_own_folders() {
    let service = unit(&read("systemd/avatar-sync.service"));
    accepted("service", &words(entry(&service, "Service", "ExecStart")));
    for (key, value) in [
        ("Type", "oneshot"),
        ("DynamicUser", "yes"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("StateDirectory", "avatar-sync"),
        ("LimitCORE", "0"),
    ] {
        assert_eq!(entry(&service, "Service", key), value, "{key}");
    }
    // Longer than what is under way may take after SIGTERM.
    assert_eq!(entry(&service, "Service", "TimeoutStopSec"), "20");
    let timer = unit(&read("systemd/avatar-sync.timer"));
    parse_duration(entry(&timer, "Timer", "OnUnitActiveSec")).expect("an interval");
    assert_eq!(entry(&timer, "Install", "WantedBy"), "timers.target");
}

#[test]
fn the_crontab_has_a_pattern_a_user_and_a_command() {
    let text = read("cron/avatar-sync");
    let jobs: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.contains('=') && !line.trim().is_empty())
        .collect();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    let parts = words(jobs[0]);
    is_pattern("crontab", &parts[..5].join(" "));
    assert_eq!(parts[5], "avatar-sync", "the user");
    accepted("crontab", &parts[6..]);
    assert!(!jobs[0].contains('%'), "cron would take what follows for input");
}

#[test]
fn the_scheduled_task_starts_the_program_once_at_a_time() {
    let name = "windows/avatar-sync.xml";
    let text = read(name);
    let task = parse_xml(name, &text);
    let one = |tag: &str| {
        let found: Vec<&str> = task
            .descendants()
            .filter(|node| node.has_tag_name(("http://schemas.microsoft.com/windows/2004/02/mit/task", tag)))
            .filter_map(|node| node.text())
            .collect();
        assert_eq!(found.len(), 1, "{tag}");
        found[0]
    };
    let mut line = vec![one("Command").to_owned()];
    line.extend(words(one("Arguments")));
    accepted(name, &line);
    assert_eq!(one("MultipleInstancesPolicy"), "IgnoreNew");
    assert_eq!(one("RunLevel"), "LeastPrivilege");
    for tag in ["Interval", "RandomDelay", "ExecutionTimeLimit"] {
        parse_duration(one(tag)).unwrap_or_else(|error| panic!("{tag}: {error}"));
    }
}

/// The one container of a pod.
fn container<'a>(place: &str, pod: &'a Value) -> &'a Value {
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{place}");
    assert_eq!(pod["automountServiceAccountToken"], false, "{place}");
    let containers = pod["containers"].as_array().expect("containers");
    assert_eq!(containers.len(), 1, "{place}");
    let container = &containers[0];
    assert_eq!(
        container["securityContext"]["readOnlyRootFilesystem"], true,
        "{place}"
    );
    // The image's entry point is the program.
    let mut line = vec!["avatar-sync".to_owned()];
    line.extend(list(&container["args"]));
    accepted(place, &line);
    for mount in container["volumeMounts"].as_array().expect("mounts") {
        let volumes = pod["volumes"].as_array().expect("volumes");
        assert!(
            volumes.iter().any(|volume| volume["name"] == mount["name"]),
            "{place}: {mount}"
        );
    }
    container
}

#[test]
fn the_cluster_starts_one_run_at_a_time_and_keeps_the_journal() {
    let documents = yaml("kubernetes/cronjob.yaml");
    let kinds: Vec<&str> = documents
        .iter()
        .filter_map(|document| document["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["PersistentVolumeClaim", "ConfigMap", "Secret", "CronJob"]);
    for (document, field) in [(&documents[1], "data"), (&documents[2], "stringData")] {
        for (key, value) in document[field].as_object().expect("entries") {
            assert!(value.is_string(), "{key} has to be quoted: {value}");
        }
    }
    let job = &documents[3]["spec"];
    is_pattern("cronjob.yaml", job["schedule"].as_str().expect("text"));
    assert_eq!(job["concurrencyPolicy"], "Forbid");
    let pod = &job["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Never");
    container("cronjob.yaml", pod);
}

#[test]
fn the_deployment_is_probed_by_the_file_that_it_writes() {
    let documents = yaml("kubernetes/deployment.yaml");
    assert_eq!(documents.len(), 1);
    let spec = &documents[0]["spec"];
    assert_eq!(spec["strategy"]["type"], "Recreate", "never two writers");
    assert_eq!(spec["replicas"], 1);
    assert_eq!(
        spec["selector"]["matchLabels"],
        spec["template"]["metadata"]["labels"]
    );
    let container = container("deployment.yaml", &spec["template"]["spec"]);
    let arguments = list(&container["args"]);
    let file = arguments
        .iter()
        .skip_while(|argument| *argument != "--health")
        .nth(1)
        .expect("a health file");
    for probe in ["livenessProbe", "readinessProbe"] {
        let line = list(&container[probe]["exec"]["command"]);
        accepted(probe, &line);
        assert!(line.contains(file), "{probe}: {line:?}");
    }
}

#[test]
fn the_image_repeats_runs_and_is_probed_by_the_file_that_it_writes() {
    let text = read("docker/Dockerfile").replace("\\\n", " ");
    let json = |line: &str| -> Vec<String> {
        let start = line.find('[').unwrap_or_else(|| panic!("as a list: {line}"));
        serde_json::from_str(&line[start..]).unwrap_or_else(|error| panic!("{line}: {error}"))
    };
    let line = |word: &str| {
        let found: Vec<&str> = text.lines().filter(|line| line.starts_with(word)).collect();
        assert_eq!(found.len(), 1, "{word}");
        found[0]
    };
    let mut command = json(line("ENTRYPOINT"));
    command.extend(json(line("CMD")));
    accepted("image", &command);
    let probe = json(line("HEALTHCHECK"));
    accepted("image's probe", &probe);
    assert!(
        line("ENV").contains(&format!("AVATAR_SYNC_SCHEDULE_HEALTH_FILE={}", probe[2])),
        "{probe:?}"
    );
    assert!(line("USER").starts_with("USER 65532"), "not root");
    assert!(text.contains("FROM scratch"));
}

#[test]
fn the_launch_agent_starts_the_program() {
    let name = "launchd/io.github.avatar-sync.plist";
    let text = read(name);
    let plist = parse_xml(name, &text);
    let value = |key: &str| {
        plist
            .descendants()
            .find(|node| node.has_tag_name("key") && node.text() == Some(key))
            .and_then(|node| node.next_sibling_element())
            .unwrap_or_else(|| panic!("{key}"))
    };
    let line: Vec<String> = value("ProgramArguments")
        .children()
        .filter(|&node| node.is_element())
        .map(|node| node.text().unwrap_or_default().to_owned())
        .collect();
    accepted(name, &line);
    assert_eq!(value("Label").text(), Some("io.github.avatar-sync"));
}

#[test]
fn every_command_and_setting_of_the_page_on_schedules_exists() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schedule.md");
    let text = std::fs::read_to_string(path).expect("the page");
    variables_are_known("docs/schedule.md", &text);
    let mut commands = 0;
    let mut is_code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if is_code && line.starts_with("avatar-sync ") {
            let line = line.split(" #").next().expect("a first part").trim();
            accepted("docs/schedule.md", &words(line));
            commands += 1;
        }
    }
    assert!(commands >= 8, "{commands} commands");
    for setting in SETTINGS
        .iter()
        .filter(|setting| ["schedule", "notify"].contains(&setting.section()))
    {
        assert!(
            text.contains(&format!("`{}`", setting.key)),
            "{} is not explained",
            setting.key
        );
    }
    for name in names() {
        assert!(
            text.contains(&format!("../assets/recipes/{name}")),
            "{name} is not linked"
        );
    }
}
