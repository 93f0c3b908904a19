//! Reports as the programs see them that open them: a browser, a spreadsheet, a script. Each is read back and compared
//! with the practice world it is about.

use crate::common;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use avatar_sync::domain::picture::{Fingerprint, PictureFormat, examine};
use avatar_sync::sandbox::portraits::{Encoding, Portrait};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::Stage;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What a hostile photo carries behind its last pixel, and what must not come along.
const SMUGGLED: &[u8] = b"<script>smuggled()</script>";

const SCRIPT: &str = "<script>alert(1)</script>";
const BREAKOUT: &str = "\"><img src=x onerror=alert(1)>'";
const FORMULA: &str = "=HYPERLINK(\"https://evil.example/\";\"Sybil\")";
const SECOND_FORMULA: &str = "Ann; =1+1";
const BIDI: &str = "Omar \u{202e}gpj.exe\u{202c} Haddad";
const TABBED: &str = "\t=cmd|' /C calc'!A0";

fn face(number: u16) -> Portrait {
    Portrait::new(u32::from(number), number * 9)
}

/// People whose names try the program; which pictures they have is said beside them.
fn hostile_world() -> Stage {
    let people: [(&str, &str, Option<&str>, Option<&str>); 7] = [
        ("script", SCRIPT, Some("1.jpg"), Some("2.jpg")),
        ("breakout", BREAKOUT, Some("3.jpg"), None),
        ("formula", FORMULA, Some("5.jpg"), Some("tall.png")),
        ("second", SECOND_FORMULA, Some("small.jpg"), Some("small.jpg")),
        ("bidi", BIDI, None, Some("7.jpg")),
        ("tabbed", TABBED, Some("cut.jpg"), Some("8.jpg")),
        ("nobody", "-2+3", None, None),
    ];
    let address = |key: &str| format!("{key}@contoso.example");
    let (mut entra, mut servicenow) = (Vec::new(), Vec::new());
    for (key, name, photo, avatar) in people {
        let mut user = json!({"displayName": name, "userPrincipalName": address(key), "mail": address(key)});
        if let Some(photo) = photo {
            user["photo"] = json!(photo);
        }
        entra.push(user);
        if key == "nobody" {
            continue;
        }
        let avatars: Vec<Value> = avatar
            .iter()
            .map(|file| json!({"file": file, "on": "live_profile", "form": "image_field"}))
            .collect();
        servicenow.push(
            json!({"user_name": address(key), "email": address(key), "name": name,
                               "avatars": avatars}),
        );
    }
    let world = json!({"entra": {"users": entra}, "servicenow": {"users": servicenow}});
    let pictures = pictures();
    let borrowed: Vec<(&str, &[u8])> = pictures
        .iter()
        .map(|(name, bytes)| (*name, bytes.as_slice()))
        .collect();
    Stage::of_files(&world, &borrowed)
}

fn pictures() -> Vec<(&'static str, Vec<u8>)> {
    let mut small = face(6).with_width(96).bytes().to_vec();
    small.extend_from_slice(SMUGGLED);
    vec![
        ("1.jpg", face(1).bytes().to_vec()),
        ("2.jpg", face(2).bytes().to_vec()),
        ("3.jpg", face(3).bytes().to_vec()),
        (
            "tall.png",
            face(4).tall().with_encoding(Encoding::Png).bytes().to_vec(),
        ),
        ("5.jpg", face(5).bytes().to_vec()),
        ("small.jpg", small),
        ("7.jpg", face(7).bytes().to_vec()),
        (
            "cut.jpg",
            face(9).with_encoding(Encoding::JpegTruncated).bytes().to_vec(),
        ),
        ("8.jpg", face(8).bytes().to_vec()),
    ]
}

fn fingerprint(file: &str) -> Fingerprint {
    let pictures = pictures();
    let (_, bytes) = pictures
        .iter()
        .find(|(name, _)| *name == file)
        .expect("of this world");
    examine(bytes).expect("a sound picture").fingerprint
}

/// Reads a table strictly by RFC 4180; anything looser is a failure.
fn parse_csv(text: &str) -> Vec<Vec<String>> {
    let mut rest = text
        .strip_prefix('\u{feff}')
        .expect("a byte order mark, for Excel");
    let mut rows = vec![Vec::new()];
    while !rest.is_empty() {
        rest = rest.strip_prefix('"').expect("every cell is in quotes");
        let mut cell = String::new();
        loop {
            let end = rest.find('"').expect("a closing quote");
            cell.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.strip_prefix('"') {
                Some(after) => {
                    cell.push('"');
                    rest = after;
                }
                None => break,
            }
        }
        rows.last_mut().expect("begun").push(cell);
        match rest.strip_prefix("\r\n") {
            Some(after) => {
                rest = after;
                rows.push(Vec::new());
            }
            None => rest = rest.strip_prefix(',').expect("a comma or the end of the line"),
        }
    }
    assert_eq!(rows.pop(), Some(Vec::new()), "the last line ends, too");
    rows
}

/// A table as one map a row.
fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut rows = parse_csv(text).into_iter();
    let columns = rows.next().expect("a heading");
    rows.map(|row| {
        assert_eq!(row.len(), columns.len());
        columns.iter().cloned().zip(row).collect()
    })
    .collect()
}

/// A tag of a page: its name, and its attributes in order.
#[derive(Debug)]
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(one, _)| one == name);
        &found.unwrap_or_else(|| panic!("{name} of {self:?}")).1
    }
}

/// Every opening tag of a page; anything a browser would have to guess at is a failure.
fn tags(page: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "a bare > in {:?}", &rest[..start]);
        rest = &rest[start + 1..];
        let end = rest.find('>').expect("every tag ends");
        let (inside, after) = rest.split_at(end);
        rest = &after[1..];
        if inside == "!DOCTYPE html" {
            continue;
        }
        if let Some(name) = inside.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "tags are nested");
            continue;
        }
        let (name, mut text) = inside.split_once(' ').unwrap_or((inside, ""));
        let mut attributes = Vec::new();
        while !text.is_empty() {
            let (key, value) = text.split_once("=\"").expect("attributes are quoted");
            let (value, behind) = value.split_once('"').expect("a closing quote");
            attributes.push((key.to_owned(), value.to_owned()));
            text = behind.trim_start();
        }
        if !matches!(name, "meta" | "img" | "br") {
            open.push(name.to_owned());
        }
        let name = name.to_owned();
        tags.push(Tag { name, attributes });
    }
    assert!(open.is_empty(), "left open: {open:?}");
    tags
}

/// Fails unless a page is made of nothing but what a report needs, whatever names are in it.
fn assert_inert(page: &str) {
    const TAGS: [&str; 32] = [
        "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "ul", "li", "dl", "dt",
        "dd", "table", "caption", "thead", "tbody", "tr", "th", "td", "section", "span", "bdi", "a", "img",
        "br", "code", "time", "strong", "footer",
    ];
    const ATTRIBUTES: [&str; 15] = [
        "lang",
        "charset",
        "http-equiv",
        "content",
        "name",
        "id",
        "class",
        "scope",
        "href",
        "src",
        "width",
        "height",
        "alt",
        "datetime",
        "aria-labelledby",
    ];
    let tags = tags(page);
    let mut ids = BTreeSet::new();
    for tag in &tags {
        assert!(TAGS.contains(&tag.name.as_str()), "{tag:?}");
        for (name, value) in &tag.attributes {
            let is_known = ATTRIBUTES.contains(&name.as_str()) || name == "aria-hidden";
            assert!(is_known, "{tag:?}");
            match name.as_str() {
                "src" => assert!(value.starts_with("data:image/jpeg;base64,"), "{tag:?}"),
                "href" => assert!(value.starts_with('#'), "{tag:?}"),
                "id" => assert!(ids.insert(value.clone()), "{value} twice"),
                _ => {}
            }
        }
    }
    for tag in tags.iter().filter(|tag| tag.name == "a") {
        assert!(ids.contains(&tag.attribute("href")[1..]), "{tag:?} leads nowhere");
    }
    let style = style(page);
    for word in ["http", "url(", "@import", "expression"] {
        assert!(!style.contains(word), "{word}");
    }
    let steers = |character: &char| {
        (character.is_control() && *character != '\n')
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}')
    };
    assert_eq!(page.chars().find(steers), None);
}

fn style(page: &str) -> &str {
    let (_, after) = page.split_once("<style>").expect("a style");
    after.split_once("</style>").expect("it ends").0
}

/// The pictures of a page, with what they say they are.
fn images(page: &str) -> Vec<(String, Vec<u8>)> {
    tags(page)
        .iter()
        .filter(|tag| tag.name == "img")
        .map(|tag| {
            let (_, data) = tag
                .attribute("src")
                .split_once("base64,")
                .expect("checked before");
            let bytes = BASE64.decode(data).expect("base64");
            let facts = examine(&bytes).expect("a sound picture");
            assert_eq!(facts.format, PictureFormat::Jpeg);
            assert!(facts.width <= 128 && facts.height <= 128, "{facts:?}");
            let stated = (
                tag.attribute("width").to_owned(),
                tag.attribute("height").to_owned(),
            );
            assert_eq!(stated, (facts.width.to_string(), facts.height.to_string()));
            (tag.attribute("alt").to_owned(), bytes)
        })
        .collect()
}

/// People of a JSON report or status by their id in Entra.
fn people(document: &Value) -> HashMap<String, Value> {
    let people = document["people"].as_array().expect("a list");
    people
        .iter()
        .map(|person| {
            (
                person["entra_id"].as_str().expect("text").to_owned(),
                person.clone(),
            )
        })
        .collect()
}

fn sum(counts: &Value) -> u64 {
    let counts = counts.as_object().expect("an object").values();
    counts.map(|count| count.as_u64().expect("a number")).sum()
}

#[test]
fn the_json_report_says_what_status_says_and_adds_up() {
    let stage = Stage::invented(120);
    let status = stage.run(&["status", "--deep", "--json"]).expect_code(0).json();
    let everybody = stage
        .run(&["report", "--format", "json", "--deep", "--all"])
        .expect_code(0)
        .json();
    assert_eq!(everybody["schema"], "avatar-sync/report/1");
    for key in ["profile", "complete", "problems", "counts", "people"] {
        assert_eq!(everybody[key], status[key], "{key}");
    }
    assert_eq!(sum(&everybody["counts"]), people(&everybody).len() as u64);
    let ready = stage.sandbox.ready_line();
    assert_eq!(everybody["from"]["tenant"], ready["tenant_id"]);
    assert_eq!(everybody["to"]["instance"], ready["servicenow_url"]);
    for planted in stage.sandbox.world().planted() {
        let person = people(&everybody)
            .into_values()
            .find(|person| person["upn"] == planted.principal.as_str())
            .unwrap_or_else(|| panic!("{} is not listed", planted.principal));
        assert_eq!(person["verdict"], planted.kind.verdict, "{}", planted.kind.name);
    }

    let some = stage
        .run(&["report", "--format", "json", "--deep"])
        .expect_code(0)
        .json();
    assert_eq!(
        (&some["listed"], &some["filter"]),
        (&json!("needs_a_look"), &json!(""))
    );
    assert_eq!(some["counts"], everybody["counts"], "counts are of everybody");
    let quiet = ["in_sync", "same_picture", "neither", "excluded"];
    let mut expected = people(&everybody);
    expected.retain(|_, person| !quiet.contains(&person["verdict"].as_str().expect("a code")));
    assert_eq!(people(&some), expected);

    assert!(stage.writes().is_empty());
}

#[test]
fn a_photo_that_is_probably_not_the_persons_own_says_so_in_every_format() {
    let user = |key: &str, photo: &str| {
        json!({"displayName": format!("{key} Byron"), "userPrincipalName": format!("{key}@contoso.example"),
               "mail": format!("{key}@contoso.example"), "photo": photo})
    };
    let record = |key: &str, avatar: &str| {
        json!({"user_name": format!("{key}@contoso.example"), "email": format!("{key}@contoso.example"),
               "name": format!("{key} Byron"),
               "avatars": [{"file": avatar, "on": "live_profile", "form": "image_field"}]})
    };
    let world = json!({
        "entra": {"users": [user("ada", "1.jpg"), user("bea", "1.jpg"), user("cleo", "2.jpg")]},
        "servicenow": {"users": [record("ada", "3.jpg"), record("bea", "4.jpg"), record("cleo", "2.jpg")]}
    });
    let stage = Stage::of_files(
        &world,
        &[
            ("1.jpg", &face(1).bytes()),
            ("2.jpg", &face(2).bytes()),
            ("3.jpg", &face(3).bytes()),
            ("4.jpg", &face(4).bytes()),
        ],
    );
    let run = |format: &str| {
        let arguments = ["report", "--deep", "status:suspicious", "--format", format];
        stage.run(&arguments).expect_code(0)
    };
    let json = run("json").json();
    let listed = people(&json);
    let mut upns: Vec<&str> = listed
        .values()
        .map(|person| person["upn"].as_str().expect("text"))
        .collect();
    upns.sort_unstable();
    assert_eq!(upns, ["ada@contoso.example", "bea@contoso.example"]);
    assert_eq!(json["suspicious"], json!(null), "a filter shows only some");
    let unfiltered = stage
        .run(&["report", "--deep", "--format", "json"])
        .expect_code(0);
    assert_eq!(unfiltered.json()["suspicious"], 2);
    let rows = rows(&run("csv").stdout);
    let page = run("html").stdout;
    for person in listed.values() {
        let suspicion = person["suspicion"].as_str().expect("why");
        let row = rows
            .iter()
            .find(|row| row["upn"] == person["upn"].as_str().expect("text"));
        assert_eq!(row.expect("the same people")["suspicion"], suspicion);
        let shown = format!("suspicious: <bdi>{suspicion}</bdi>");
        assert!(page.contains(&shown), "{shown}: {page}");
    }
}

#[test]
fn the_table_reads_back_person_by_person_and_runs_nothing() {
    let stage = hostile_world();
    let arguments = ["report", "--all", "--deep", "--format"];
    let json = stage
        .run(&[&arguments[..], &["json"]].concat())
        .expect_code(0)
        .json();
    let text = stage
        .run(&[&arguments[..], &["csv"]].concat())
        .expect_code(0)
        .stdout;
    let rows = rows(&text);
    assert_eq!(rows.len(), 7);
    let people = people(&json);
    for row in &rows {
        let person = &people[&row["entra_id"]];
        let same = |column: &str, value: &Value| {
            let expected = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
                .replace("null", "");
            assert_eq!(row[column], expected, "{column} of {person}");
        };
        for column in ["upn", "mail", "verdict", "user_name"] {
            same(column, &person[column]);
        }
        same("servicenow_sys_id", &person["servicenow_sys_id"]);
        // Both files are of a scan of their own.
        let scanned_at: jiff::Timestamp = row["scanned_at"].parse().expect("a moment");
        let other: jiff::Timestamp = json["scanned_at"]
            .as_str()
            .expect("text")
            .parse()
            .expect("a moment");
        assert!(scanned_at.duration_since(other).as_secs().abs() < 120);
        for key in ["width", "height", "bytes", "sha256", "content_type"] {
            same(&format!("entra_{key}"), &person["entra"][key]);
        }
        for key in ["from", "attachment", "sha256", "bytes"] {
            same(&format!("servicenow_{key}"), &person["servicenow"][key]);
        }
    }
    let names: BTreeSet<&str> = rows.iter().map(|row| row["name"].as_str()).collect();
    let expected = [
        "'␉=cmd|' /C calc'!A0".to_owned(),
        "'-2+3".to_owned(),
        format!("'{FORMULA}"),
        SCRIPT.to_owned(),
        "Ann;' =1+1".to_owned(),
        "Omar ·gpj.exe· Haddad".to_owned(),
        BREAKOUT.to_owned(),
    ];
    assert_eq!(names, expected.iter().map(String::as_str).collect());
}

#[test]
fn no_cell_of_any_planted_name_begins_a_formula() {
    let stage = Stage::invented(200);
    let path = stage.home().join("people.csv");
    let ended = stage.run(&["report", "-o", "people.csv", "--all"]).expect_code(0);
    assert!(ended.stderr.contains("people.csv"), "{ended:?}");
    let text = std::fs::read_to_string(&path).expect("written");
    let rows = parse_csv(&text);
    for cell in rows.iter().flatten() {
        let begins = cell
            .trim_start_matches([' ', '"', '\u{a0}'])
            .starts_with(['=', '+', '-', '@', '\t', '\r']);
        assert!(!begins, "{cell}");
    }
    let has_steered = rows.iter().flatten().any(|cell| cell.contains('␛'));
    assert!(has_steered, "somebody's name is an escape sequence");
    let everybody = stage.run(&["status", "--json"]).expect_code(0).json();
    assert_eq!(rows.len() - 1, people(&everybody).len());
}

#[test]
fn the_page_shows_the_worlds_pictures_and_can_do_nothing_else() {
    let stage = hostile_world();
    let path = stage.home().join("report.html");
    let file = path.to_str().expect("text");
    stage
        .run(&["report", "-o", file, "--all", "--deep"])
        .expect_code(0);
    let page = std::fs::read_to_string(&path).expect("written");
    assert_inert(&page);
    assert!(!page.contains("<script") && !page.contains("<img src=x"));

    let policy = tags(&page)
        .into_iter()
        .find(|tag| {
            tag.attributes
                .contains(&("http-equiv".into(), "Content-Security-Policy".into()))
        })
        .expect("a policy");
    let hash = BASE64.encode(Sha256::digest(style(&page)));
    assert_eq!(
        policy.attribute("content"),
        format!(
            "default-src 'none'; img-src data:; style-src 'sha256-{hash}'; form-action 'none'; base-uri 'none'"
        )
    );
    assert!(
        page.find("Content-Security-Policy") < page.find("<style>"),
        "a policy holds only for what follows it"
    );

    let expected: BTreeMap<&str, &str> = [
        (
            "&lt;script&gt;alert(1)&lt;/script&gt;: photo in Entra ID",
            "1.jpg",
        ),
        (
            "&lt;script&gt;alert(1)&lt;/script&gt;: avatar in ServiceNow",
            "2.jpg",
        ),
        (
            "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;&#39;: photo in Entra ID",
            "3.jpg",
        ),
        (
            "=HYPERLINK(&quot;https://evil.example/&quot;;&quot;Sybil&quot;): photo in Entra ID",
            "5.jpg",
        ),
        (
            "=HYPERLINK(&quot;https://evil.example/&quot;;&quot;Sybil&quot;): avatar in ServiceNow",
            "tall.png",
        ),
        ("Ann; =1+1: photo in Entra ID", "small.jpg"),
        ("Ann; =1+1: avatar in ServiceNow", "small.jpg"),
        ("Omar ·gpj.exe· Haddad: avatar in ServiceNow", "7.jpg"),
        ("␉=cmd|&#39; /C calc&#39;!A0: avatar in ServiceNow", "8.jpg"),
    ]
    .into();
    let images = images(&page);
    let shown: BTreeSet<&str> = images.iter().map(|(alt, _)| alt.as_str()).collect();
    assert_eq!(shown, expected.keys().copied().collect());
    assert_eq!(images.len(), expected.len());
    for (alt, bytes) in &images {
        let file = expected[alt.as_str()];
        let shown = examine(bytes).expect("checked before").fingerprint;
        let (apart, others) = (
            fingerprint(file),
            expected.values().filter(|other| **other != file),
        );
        assert!(shown.is_same_picture(&apart), "{alt}");
        for other in others {
            assert!(!shown.is_same_picture(&fingerprint(other)), "{alt} shows {other}");
        }
        let is_in = bytes.windows(SMUGGLED.len()).any(|window| window == SMUGGLED);
        assert!(!is_in, "pictures are drawn anew");
    }
    assert!(
        page.contains("cannot be shown: <bdi>it is cut off before its end"),
        "{page}"
    );
    assert!(page.contains("<bdi>Omar ·gpj.exe· Haddad</bdi>"));
}

#[test]
fn a_page_of_an_invented_tenant_is_whole_and_lists_differences_by_verdict() {
    let stage = Stage::invented(200);
    let status = stage
        .run(&["report", "--format", "json", "--deep"])
        .expect_code(0)
        .json();
    let page = stage
        .run(&["report", "--format", "html", "--deep"])
        .expect_code(0)
        .stdout;
    assert_inert(&page);
    for (code, count) in status["counts"].as_object().expect("an object") {
        let row = format!("<td><code>{code}</code></td><td>{count}</td>");
        assert!(page.contains(&row), "{row}");
        let is_listed = page.contains(&format!("<section aria-labelledby=\"{code}\">"));
        let is_quiet = ["in_sync", "same_picture", "neither", "excluded"].contains(&code.as_str());
        assert_eq!(is_listed, !is_quiet, "{code}");
    }
    let headings = tags(&page)
        .iter()
        .filter(|tag| tag.name == "th" && tag.attribute("scope") == "row")
        .count();
    let people = status["people"].as_array().expect("a list").len();
    let verdicts = status["counts"].as_object().expect("an object").len();
    assert_eq!(headings, people + verdicts, "each row has its heading");
    assert!(images(&page).len() > people / 2);
}

#[test]
fn the_first_pairs_are_shown_and_the_rest_is_counted() {
    let stage = hostile_world();
    let run = |pictures: &[&str]| {
        let arguments = [&["report", "--format", "html", "--all"][..], pictures].concat();
        stage.run(&arguments).expect_code(0).stdout
    };
    let two = run(&["--pictures", "2"]);
    assert!(two.contains("the first 2 pairs; 5 are left out"), "{two}");
    let people: BTreeSet<String> = images(&two)
        .iter()
        .filter_map(|(alt, _)| Some(alt.rsplit_once(": ")?.0.to_owned()))
        .collect();
    assert_eq!(people.len(), 2, "{people:?}");
    for none in [&["--pictures", "0"][..], &["--no-images"]] {
        stage.request(reqwest::Method::DELETE, "/requests", Vec::new());
        assert_eq!(images(&run(none)).len(), 0);
        assert_eq!(
            stage.requests(&["$value"]).1,
            0,
            "nothing is downloaded for nothing"
        );
    }
}

#[test]
fn people_who_are_out_of_scope_are_named_but_never_pictured() {
    let stage = Stage::invented(120);
    let page = stage
        .run(&["report", "--format", "html", "status:excluded"])
        .expect_code(0)
        .stdout;
    assert!(page.contains("<h2 id=\"excluded\">"), "{page}");
    assert_eq!(images(&page).len(), 0);
    assert!(page.contains("not looked at"));
}

#[test]
fn what_cannot_be_done_is_said_before_anything_is_asked_for() {
    let stage = Stage::invented(40);
    stage.request(reqwest::Method::DELETE, "/requests", Vec::new());
    for (arguments, words) in [
        (&["report"][..], &["--format", "-o"][..]),
        (&["report", "-o", "people.txt"], &["--format"]),
        (
            &["report", "--format", "csv", "--pictures", "3"],
            &["--pictures", "html"],
        ),
        (&["report", "--format", "csv", "-o", "."], &["not a file"]),
        (
            &["report", "--format", "json", "status:mising"],
            &["mising", "missing"],
        ),
    ] {
        let ended = stage.run(arguments).expect_code(2);
        for word in words {
            assert!(ended.stderr.contains(word), "{arguments:?}: {}", ended.stderr);
        }
    }
    let ended = stage.run(&["report", "-o", "no/such/folder.html"]).expect_code(1);
    assert!(
        ended.stderr.contains("folder.html") || ended.stderr.contains("no/such"),
        "{ended:?}"
    );
    assert_eq!(stage.requests(&[]).0, 0);
}

#[test]
fn a_report_is_for_its_owner_alone_and_ends_with_the_code_that_was_asked_for() {
    let stage = Stage::invented(40);
    stage.file("report.json", "the one of last month");
    let ended = stage
        .run(&["--readonly", "report", "-o", "report.json", "--exit-code"])
        .expect_code(3);
    assert!(ended.stderr.contains("report.json"), "{ended:?}");
    assert_eq!(ended.stdout, "");
    let text = std::fs::read_to_string(stage.home().join("report.json")).expect("written");
    assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata = std::fs::metadata(stage.home().join("report.json")).expect("there");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    }
    stage
        .run(&[
            "report",
            "--format",
            "csv",
            "--deep",
            "--exit-code",
            "status:in_sync",
        ])
        .expect_code(0);
    assert!(stage.writes().is_empty());
}

/// Names of what is in the stage's home and no folder.
fn files(stage: &Stage) -> Vec<String> {
    std::fs::read_dir(stage.home())
        .expect("readable")
        .map(|entry| entry.expect("readable"))
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn a_report_that_fails_leaves_the_one_before_as_it_was() {
    let stage = hostile_world();
    stage.file("report.html", "the one of last month");
    stage.post(
        "/faults",
        &json!({"service": "servicenow", "path": "^/api/", "times": null, "do": {"html": "maintenance"}}),
    );
    stage.run(&["report", "-o", "report.html"]).expect_code(1);
    assert_eq!(files(&stage), ["report.html"]);
    let text = std::fs::read_to_string(stage.home().join("report.html")).expect("readable");
    assert_eq!(text, "the one of last month");
}

#[cfg(unix)]
#[test]
fn an_interrupted_report_leaves_no_file() {
    use rustix::process::{Pid, Signal, kill_process};
    let stage = hostile_world();
    // Pictures take for ever; a scan of stamps asks for none.
    stage.post(
        "/faults",
        &json!({"service": "servicenow", "method": "GET", "path": "^/api/now/attachment/[^/]+/file",
                "times": null, "do": {"delay_ms": 60_000}}),
    );
    let mut command = stage.command(&["report", "-o", "report.html"]);
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let mut program = command.spawn().expect("the program starts");
    while !files(&stage).iter().any(|name| name.starts_with(".partial-"))
        || stage.requests(&["/photo/$value"]).1 == 0
    {
        assert_eq!(
            program.try_wait().expect("our own process"),
            None,
            "it waits for pictures"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&program), Signal::INT).expect("our own process");
    let status = program.wait().expect("our own process");
    assert_eq!(status.code(), Some(130));
    assert_eq!(files(&stage), Vec::<String>::new());
}
