//! People, answers and frames in a few words. Whoever is not named is as most people are.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use unicode_width::UnicodeWidthStr;

use crate::connector::{LaneState, PauseReason};
use crate::domain::anatomy::{Anatomy, Colleague, Colleagues, PhotoDetails};
use crate::domain::brake::removal::{Decision, EvidenceRule, Sightings, StagedRemoval, Word};
use crate::domain::comparison::{Content, Judgement, SourceContent, Verdict};
use crate::domain::explanation::{Explanation, Facts, Preview, SeenBefore, Whereabouts};
use crate::domain::ids::{PictureId, RecordId, RunId, SourceId, TargetId};
use crate::domain::listing::{Listed, Listing, Particulars};
use crate::domain::litter::{Fate, Litter, LitterKind};
use crate::domain::pairing::MatchRule;
use crate::domain::person::{AccountKind, SourcePerson, TargetPerson};
use crate::domain::photo::{
    AvatarChain, AvatarRecord, Column, PhotoStamp, PictureForm, Place, Scan, Served, Sha256, SourcePhoto,
    StoredPicture,
};
use crate::domain::picture::{Fingerprint, PictureFacts, PictureFormat};
use crate::domain::plan::{Absence, Candidate, Change, Limits, Plan, Policy, plan};
use crate::domain::run::{Outcome, PersonRef, StopReason, Summary};
use crate::domain::suspicion::{Faces, Gallery};
use crate::domain::tidying::{Left, Purpose, Subject as Tidied, TIDY_SCHEMA, TidyPlan, TidyStep, Write};
use crate::engine::{Look, PastFace, Removals, SidePicture};
use crate::graphics::{Canvas, Placements, Surroundings, Wish, detect};
use crate::store::journal::{
    Actor, PastPicture, PastRun, PastStep, Planned, RunKind, RunRecord, RunStart, StepRecord,
};
use crate::tui::faces::{FaceKey, FaceQuestion};
use crate::tui::keymap::{Key, Keymap};
use crate::tui::looked::{PersonLook, SideView};
use crate::tui::message::{
    Effect, Message, Release, RunEnd, RunNews, RunStarted, Scanned, Settling, StepDone, Tidying, Trouble,
    Undo, Who,
};
use crate::tui::paged::{Slice, Wanted};
use crate::tui::sight::fit;
use crate::tui::state::{Setting, State};
use crate::tui::theme::{Palette, Theme};
use crate::tui::update::update;
use crate::tui::view::view;

/// Name, department, verdict.
pub type Few<'a> = (&'a str, &'a str, Verdict);

/// Ten people, of every kind one or two. The table shows them in this order.
pub const CAST: [Few<'static>; 10] = [
    ("Adele Vance", "Marketing", Verdict::Differs),
    ("Alex Wilber", "Sales", Verdict::Missing),
    ("Diego Siciliani", "HR", Verdict::InSync),
    ("Grady Archie", "R&D", Verdict::OnlyInTarget),
    ("Isaiah Langer", "Sales", Verdict::Broken),
    ("Joni Sherman", "Legal", Verdict::Unmatched),
    ("Lee Gu", "Manufacturing", Verdict::InSync),
    ("Megan Bowen", "Marketing", Verdict::SamePicture),
    ("Nestor Wilke", "Operations", Verdict::Neither),
    ("Pradeep Gupta", "Operations", Verdict::Undecided),
];

/// The moment at which everything happens unless a story says otherwise.
pub fn now() -> Timestamp {
    "2026-03-02T14:05:00Z".parse().expect("a moment")
}

/// The id of somebody with this name: the first name, or what is left of it. Services are not believed any other id.
pub fn id(name: &str) -> SourceId {
    let first = name.split(' ').next().unwrap_or(name);
    let letters = first.chars().filter(char::is_ascii_alphanumeric);
    let letters: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    if letters.len() == first.len() && !letters.is_empty() {
        SourceId::new(letters)
    } else {
        SourceId::new(Sha256::of(name.as_bytes()).to_string())
    }
}

fn address(name: &str) -> String {
    format!("{}@contoso.com", name.to_lowercase().replace(' ', "."))
}

/// Somebody as reports name them, paired.
pub fn person(name: &str) -> PersonRef {
    PersonRef {
        name: name.into(),
        upn: address(name).into(),
        mail: Some(address(name).into()),
        source: id(name),
        target: Some(TargetId::new(format!("sys-{}", id(name)))),
        user_name: Some(address(name).into()),
    }
}

/// A listing of these people.
pub fn listing(people: &[Few<'_>]) -> Listing {
    let mut builder = Listing::builder(people.len());
    for (name, department, verdict) in people {
        let known = person(name);
        let target = known.target.as_ref().zip(known.user_name.as_ref());
        builder.push(&Particulars {
            source: &known.source,
            name: &known.name,
            principal: &known.upn,
            mail: known.mail.as_ref(),
            department: Some(&(*department).into()),
            target: target.filter(|_| *verdict != Verdict::Unmatched),
            verdict: *verdict,
            reason: reason(*verdict),
        });
    }
    builder.finish()
}

/// What the comparison says of such a person.
pub fn reason(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::InSync => "ServiceNow shows the same picture from live_profile",
        Verdict::SamePicture => "the same picture in other bytes (2 of 64 bits apart)",
        Verdict::Differs => "different pictures (31 of 64 bits apart), shown from live_profile",
        Verdict::Missing => "ServiceNow shows no avatar",
        Verdict::OnlyInTarget => "no photo in Entra ID; ServiceNow shows one from live_profile",
        Verdict::Neither => "no photo in Entra ID, no avatar in ServiceNow",
        Verdict::Broken => "the photo column of live_profile names a picture that is gone",
        Verdict::Unmatched => "nobody in ServiceNow's scope has the same e-mail or user name",
        Verdict::Ambiguous => "2 ServiceNow users have this e-mail",
        Verdict::Excluded => "left out by the configured scope",
        Verdict::Undecided => "both sides have a picture; their bytes have not been compared yet",
        Verdict::Error => "the photo in Entra ID cannot be read: it answered 500",
    }
}

/// Many people, all with this verdict: "Person 0001" and so on.
pub fn crowd(count: usize, verdict: Verdict) -> Listing {
    let names: Vec<String> = (1..=count).map(|number| format!("P{number:04} Person")).collect();
    let people: Vec<Few<'_>> = names
        .iter()
        .map(|name| (name.as_str(), "Sales", verdict))
        .collect();
    listing(&people)
}

/// A scan with these people.
pub fn listed(listing: Listing) -> Listed {
    Listed {
        scanned_at: "2026-03-02T14:02:00Z".parse().expect("a moment"),
        complete: true,
        listing,
    }
}

/// A page of people as a listing under way brings it.
pub fn page(names: &[&str]) -> Message {
    let people = names.iter().map(|name| {
        let known = person(name);
        SourcePerson {
            id: known.source,
            name: known.name,
            principal: known.upn,
            mail: known.mail,
            employee_id: None,
            department: None,
            job_title: None,
            kind: AccountKind::Member,
            enabled: Some(true),
        }
    });
    Message::Page(people.collect())
}

/// What does not change.
pub fn setting() -> Setting {
    Setting {
        profile: "default".into(),
        tenant: "contoso.com".into(),
        instance: "dev12345.service-now.com".into(),
        is_production: false,
        is_readonly: false,
        limits: Limits::NONE,
        target_record: "https://dev12345.service-now.com/sys_user.do?sys_id=".into(),
        source_record: "https://entra.example/users/".into(),
        facts: vec![
            ("profile".into(), "default".into()),
            ("Entra tenant".into(), "contoso.com".into()),
            ("ServiceNow".into(), "https://dev12345.service-now.com".into()),
        ],
    }
}

/// A screen that has just opened, with 120 columns and 40 lines.
pub fn screen() -> State {
    screen_with(setting(), Keymap::default())
}

/// The same with another setting or other keys.
pub fn screen_with(setting: Setting, keymap: Keymap) -> State {
    let theme = Theme {
        palette: Palette::Dark,
        is_ascii: false,
    };
    let size = Size {
        width: 120,
        height: 40,
    };
    let mut state = State::new(setting, theme, keymap, size);
    state.now = now();
    fit(&mut state);
    state
}

/// A screen on which a scan has brought these people.
pub fn screen_of(people: &[Few<'_>]) -> State {
    let mut state = screen();
    scanned(&mut state, listing(people));
    state
}

/// A scan ends with these people.
pub fn scanned(state: &mut State, listing: Listing) -> Vec<Effect> {
    let mut gallery = Gallery::default();
    listing.rows().for_each(|_| gallery.push(Faces::default()));
    let scanned = Scanned {
        listed: listed(listing),
        problems: Vec::new(),
        gallery,
    };
    update(state, Message::Scanned(Ok(Box::new(scanned))))
}

/// Presses keys, written as in the configuration; what is no key by its name is letters: `"jj space p"`.
pub fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for word in keys.split_whitespace() {
        match Key::parse(word) {
            Some(key) => effects.extend(update(state, Message::Key(key))),
            None => effects.extend(type_in(state, word)),
        }
    }
    effects
}

/// Types text letter by letter.
pub fn type_in(state: &mut State, text: &str) -> Vec<Effect> {
    text.chars()
        .flat_map(|letter| update(state, Message::Key(Key::letter(letter))))
        .collect()
}

/// Presses the left button of the mouse at a place.
pub fn click(state: &mut State, column: u16, row: u16) -> Vec<Effect> {
    mouse(state, MouseEventKind::Down(MouseButton::Left), column, row)
}

/// Does something else with the mouse.
pub fn mouse(state: &mut State, kind: MouseEventKind, column: u16, row: u16) -> Vec<Effect> {
    let event = MouseEvent {
        kind,
        column,
        row,
        modifiers: KeyModifiers::NONE,
    };
    update(state, Message::Mouse(event))
}

/// Another window.
pub fn resize(state: &mut State, width: u16, height: u16) -> Vec<Effect> {
    update(state, Message::Resized(Size { width, height }))
}

/// Effects in words, people by id; what only concerns pictures that are to be drawn is left out.
pub fn told(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .filter(|effect| !matches!(effect, Effect::Paint { .. } | Effect::DropPaints))
        .map(in_words)
        .collect()
}

fn in_words(effect: &Effect) -> String {
    let ids = |people: &[SourceId]| {
        let ids: Vec<&str> = people.iter().map(SourceId::as_str).collect();
        ids.join(", ")
    };
    let names = |people: &[PersonRef]| {
        let people: Vec<SourceId> = people.iter().map(|person| person.source.clone()).collect();
        ids(&people)
    };
    match effect {
        Effect::Scan { fill: true } => "scan and show each page".into(),
        Effect::Scan { fill: false } => "scan".into(),
        Effect::StopScan => "stop scanning".into(),
        Effect::Compare(people) => format!("compare {}", names(people)),
        Effect::StopComparing => "stop comparing".into(),
        Effect::Judge { seen, .. } => format!("judge everybody's photos again, {} seen since", seen.len()),
        Effect::Rest(_) => "wait a breath".into(),
        Effect::Look(people) => format!("look at {}", names(people)),
        Effect::Paint { is_wanted_now, .. } => format!("paint, wanted now: {is_wanted_now}"),
        Effect::Explain { person, .. } => format!("explain {}", person.source),
        Effect::Fetch(wanted) => format!("fetch {} pictures", wanted.len()),
        Effect::DropPaints => "drop the pictures".into(),
        Effect::Plan {
            who, is_confirmed, ..
        } => {
            let with = if *is_confirmed {
                " with suspicious photos"
            } else {
                ""
            };
            match who {
                Who::Everybody => format!("plan everybody{with}"),
                Who::Rest(run) => format!("plan what run {} has left", run.id),
                Who::People(people) => format!("plan {}{with}", ids(people)),
            }
        }
        Effect::PlanTidying { tidying, .. } => match tidying {
            Tidying::Clean => "plan a cleaning".into(),
            Tidying::Undo(Undo::Rest(run)) => format!("plan to go on with the undo {run}"),
            Tidying::Undo(Undo::Run(run)) => format!("plan to undo run {run}"),
            Tidying::Undo(Undo::OfRun(run, person)) => format!("plan to undo run {run} for {person}"),
            Tidying::Undo(Undo::Last(people)) => {
                let people: Vec<&str> = people.iter().map(TargetId::as_str).collect();
                format!("plan to undo the last change to {}", people.join(", "))
            }
        },
        Effect::Tidy { plan, continues } => {
            let people: Vec<PersonRef> = plan.steps.iter().map(|step| step.person.clone()).collect();
            let what = match plan.purpose {
                Purpose::Clean => "clean up at",
                Purpose::Undo(_) | Purpose::UndoLast => "take back for",
            };
            let on = continues.as_ref().map(|run| format!(", going on with {run}"));
            format!("{what} {}{}", names(&people), on.unwrap_or_default())
        }
        Effect::ReadRemovals => "read the removals".into(),
        Effect::Decide { removals, word } => {
            let people: Vec<PersonRef> = removals.iter().map(|removal| removal.person.clone()).collect();
            let what = match word {
                Word::Approve => "approve the removal of",
                Word::Keep => "keep the avatar of",
                Word::TakeBack => "take back what was said about",
            };
            format!("{what} {}", names(&people))
        }
        Effect::Release(Release::Quarantine) => "release the quarantine".into(),
        Effect::Release(Release::People(people)) => format!("release {}", ids(people)),
        Effect::ReadUnfinished => "look for unfinished runs".into(),
        Effect::ReadRuns(at) => format!("read page {} of the runs", at.page),
        Effect::ReadRunPeople { at, run, filter } => {
            let only = filter.outcome.map(|outcome| format!(", {}", outcome.words()));
            let text = (!filter.text.is_empty()).then(|| format!(", called {}", filter.text));
            let (only, text) = (only.unwrap_or_default(), text.unwrap_or_default());
            format!("read page {} of run {run}{only}{text}", at.page)
        }
        Effect::FetchFaces(wanted) => {
            let keys: Vec<String> = wanted
                .iter()
                .flat_map(FaceQuestion::keys)
                .map(|key| face_words(&key))
                .collect();
            format!("fetch {}", keys.join(", "))
        }
        Effect::DropPlan => "drop the plan".into(),
        Effect::Apply { plan, .. } => {
            let people: Vec<PersonRef> = plan.steps.iter().map(|step| step.person.clone()).collect();
            format!("apply to {}", names(&people))
        }
        Effect::PauseRun => "pause the run".into(),
        Effect::ResumeRun => "go on with the run".into(),
        Effect::CancelRun => "cancel the run".into(),
        Effect::Keep(kept) => format!("keep {} people", kept.listing.len()),
        Effect::PrepareSearch(_) => "prepare the search".into(),
        Effect::ReadRequests => "read the requests".into(),
        Effect::Copy(text) => format!("copy {text}"),
        Effect::Open(address) => format!("open {address}"),
        Effect::Redraw => "redraw".into(),
        Effect::Suspend => "suspend".into(),
        Effect::Quit => "quit".into(),
    }
}

fn face_words(key: &FaceKey) -> String {
    match key {
        FaceKey::Before(_, person) => format!("{person} before"),
        FaceKey::After(_, person) => format!("{person} after"),
        FaceKey::Now(person) => format!("{person} now"),
        FaceKey::Again(person, _) => format!("{person} again"),
    }
}

/// The name under the cursor; empty if there is none.
pub fn current(state: &State) -> String {
    state
        .people
        .current_person()
        .map(|person| person.name.shown().into_owned())
        .unwrap_or_default()
}

/// The names that the table shows.
pub fn shown(state: &State) -> Vec<String> {
    let people = &state.people;
    people
        .rows
        .iter()
        .map(|row| people.listing.entry(*row).name().into_owned())
        .collect()
}

/// The names that are marked.
pub fn marked(state: &State) -> Vec<String> {
    let people = &state.people;
    people
        .marks
        .iter()
        .map(|row| people.listing.entry(row).name().into_owned())
        .collect()
}

/// The verdict of somebody.
pub fn verdict(state: &State, name: &str) -> Verdict {
    let row = state
        .people
        .listing
        .find(&id(name))
        .expect("somebody in the listing");
    state.people.listing.verdict(row)
}

/// What is said at the bottom.
pub fn notice(state: &State) -> &str {
    state.notice.as_ref().map_or("", |notice| notice.text.as_str())
}

/// Bytes that stand for somebody's picture; they are never decoded.
pub fn picture(seed: &str) -> Bytes {
    Bytes::from(format!("picture of {seed}"))
}

fn facts(bytes: &Bytes, pixels: u32, bits: u64) -> Content {
    Content::Sound(PictureFacts {
        sha256: Sha256::of(bytes),
        bytes: 20_600,
        format: PictureFormat::Jpeg,
        width: pixels,
        height: pixels,
        fingerprint: Fingerprint {
            bits,
            colours: [[0; 3]; 16],
            shades: 16,
        },
    })
}

/// What the engine finds when it looks at such a person.
pub fn look(name: &str, verdict: Verdict) -> Look {
    let has_photo = !matches!(verdict, Verdict::OnlyInTarget | Verdict::Neither);
    let has_avatar = !matches!(
        verdict,
        Verdict::Missing | Verdict::Neither | Verdict::Unmatched | Verdict::Broken
    );
    let photo = picture(name);
    let avatar = match verdict {
        Verdict::InSync => photo.clone(),
        _ => picture(&format!("{name}, of old")),
    };
    let original = facts(&photo, 360, 0);
    let displayed = match verdict {
        Verdict::InSync => facts(&avatar, 360, 0),
        Verdict::SamePicture => facts(&avatar, 96, 3),
        _ => facts(&avatar, 96, 0x7fff_ffff),
    };
    Look {
        photo: if has_photo {
            SourcePhoto::Present(stamp())
        } else {
            SourcePhoto::Absent
        },
        content: if has_photo {
            SourceContent {
                original,
                prepared: None,
            }
        } else {
            SourceContent::UNSEEN
        },
        chain: (verdict != Verdict::Unmatched).then(|| chain(name, verdict, has_avatar)),
        displayed: if has_avatar { displayed } else { Content::Unseen },
        judgement: (verdict != Verdict::Unmatched).then(|| Judgement {
            verdict,
            reason: reason(verdict).into(),
        }),
        source: if has_photo {
            SidePicture::Bytes(photo)
        } else {
            SidePicture::Absent
        },
        target: if has_avatar {
            SidePicture::Bytes(avatar)
        } else {
            SidePicture::Absent
        },
    }
}

fn stamp() -> PhotoStamp {
    PhotoStamp {
        etag: Some("W/\"7\"".into()),
        width: 360,
        height: 360,
        content_type: "image/jpeg".into(),
    }
}

/// Both records of somebody; the profile wins if there is an avatar at all.
fn chain(name: &str, verdict: Verdict, has_avatar: bool) -> AvatarChain {
    let stored = StoredPicture {
        id: PictureId::new(format!("pic-{}", id(name))),
        form: PictureForm::ImageField,
        file_name: "photo".into(),
        sha256: None,
        bytes: 20_600,
        content_type: "image/jpeg".into(),
        scan: Scan::Available,
        created_at: Some("2025-11-30T08:00:00Z".parse().expect("a moment")),
        created_by: Some("integration".into()),
    };
    let record = |place: Place, pictures: Vec<StoredPicture>| AvatarRecord {
        place,
        id: RecordId::new(format!("{}-{}", place.0, id(name))),
        column: match pictures.first() {
            Some(picture) => Column::Names(picture.id.clone()),
            None if verdict == Verdict::Broken && place == Place::LIVE_PROFILE => {
                Column::Names(PictureId::new("gone"))
            }
            None => Column::Empty,
        },
        pictures,
    };
    let pictures: Vec<StoredPicture> = has_avatar.then(|| stored.clone()).into_iter().collect();
    AvatarChain {
        records: vec![
            record(Place::LIVE_PROFILE, pictures),
            record(Place::SYS_USER, Vec::new()),
        ],
        served: has_avatar.then(|| Served {
            place: Place::LIVE_PROFILE,
            record: RecordId::new(format!("live_profile-{}", id(name))),
            picture: stored.id,
        }),
        findings: Vec::new(),
    }
}

/// Why somebody's picture is what it is, as an answer to the question asked last.
pub fn explained(state: &State, name: &str, verdict: Verdict) -> Message {
    let look = look(name, verdict);
    let known = person(name);
    let target = TargetPerson {
        id: known.target.clone().expect("kit people have an id there"),
        name: known.name.clone(),
        user_name: known.upn.clone(),
        mail: known.mail.clone(),
        employee_number: None,
        source_key: None,
        active: Some(true),
        locked_out: Some(false),
        column: Column::Empty,
    };
    let source = SourcePerson {
        id: known.source,
        name: known.name,
        principal: known.upn,
        mail: known.mail,
        employee_id: None,
        department: Some("Marketing".into()),
        job_title: None,
        kind: AccountKind::Member,
        enabled: Some(true),
    };
    let seen = look.chain.iter().filter_map(|chain| chain.served.as_ref());
    let contents = seen
        .map(|served| (served.picture.clone(), look.displayed.clone()))
        .collect();
    let anatomy = look.chain.clone().map(|chain| {
        let displayed = chain.served.as_ref().map(|served| served.picture.clone());
        Anatomy::of_chain(chain, Some(displayed))
    });
    let facts = Facts {
        typed: name.into(),
        source: Some(source),
        whereabouts: Whereabouts::Paired {
            target,
            rule: MatchRule::Mail,
        },
        rules: vec![MatchRule::Mail],
        photo: look.photo,
        content: look.content,
        details: Ok(PhotoDetails::default()),
        seen_before: SeenBefore::Never,
        photo_size: "360x360".into(),
        anatomy: Ok(anatomy),
        contents,
        unread: std::collections::HashMap::new(),
        photo_unread: None,
        writes: Vec::new(),
        account: "integration".into(),
        judgement: look.judgement,
        preview: Preview {
            change: None,
            takes_repair: false,
            reason: "the pictures differ".into(),
            actions: Vec::new(),
        },
        now: now(),
    };
    Message::Explained {
        question: state.person.question(),
        result: Ok(Box::new(Explanation::of(&facts))),
    }
}

/// Who works with whom: Alex leads, Diego and somebody whom nobody has listed report.
pub fn colleagues() -> Colleagues {
    let colleague = |name: &str, title: Option<&str>| Colleague {
        id: id(name),
        name: name.into(),
        principal: None,
        mail: None,
        job_title: title.map(Into::into),
    };
    Colleagues {
        manager: Some(colleague("Alex Wilber", Some("Head of Marketing"))),
        reports: vec![
            colleague("Diego Siciliani", Some("Designer")),
            colleague("Elsewhere Employed", None),
        ],
        has_more_reports: false,
    }
}

/// Somebody was looked at, with this result.
pub fn looked(state: &mut State, name: &str, verdict: Verdict) -> Vec<Effect> {
    let look = PersonLook::of(&look(name, verdict), state.now);
    let message = Message::Looked {
        person: id(name),
        result: Ok(Box::new(look)),
    };
    update(state, message)
}

/// Somebody was looked at, but no picture could be downloaded.
pub fn looked_in_part(state: &mut State, name: &str) -> Vec<Effect> {
    let mut look = look(name, Verdict::Error);
    look.source = SidePicture::Failed("Entra ID: could not read the photo".into());
    let message = Message::Looked {
        person: id(name),
        result: Ok(Box::new(PersonLook::of(&look, state.now))),
    };
    update(state, message)
}

/// A terminal that draws pictures with half blocks.
pub fn drawing() -> Canvas {
    let terminal = |name: &str| (name == "TERM").then(|| "xterm-256color".to_owned());
    detect(Wish::Blocks, &Surroundings::of(&terminal)).canvas
}

/// The terminal can draw pictures.
pub fn draws(state: &mut State) -> Vec<Effect> {
    let message = Message::Canvas {
        canvas: drawing(),
        why: "the terminal has colours".into(),
    };
    update(state, message)
}

/// Answers like services that work, until nobody asks for anything any more: rests, looks and pictures. The other
/// effects are given back.
pub fn serve(state: &mut State, effects: Vec<Effect>) -> Vec<Effect> {
    let mut waiting = std::collections::VecDeque::from(effects);
    let mut rest = Vec::new();
    while let Some(effect) = waiting.pop_front() {
        let answers = match effect {
            Effect::Rest(moves) => update(state, Message::Rested(moves)),
            Effect::Look(people) => people
                .into_iter()
                .flat_map(|person| {
                    let name = person.name.shown().into_owned();
                    let row = state.people.listing.find(&person.source).expect("listed");
                    let verdict = state.people.listing.verdict(row);
                    looked(state, &name, verdict)
                })
                .collect(),
            Effect::Explain { question, person } => {
                let name = person.name.shown().into_owned();
                let row = state.people.listing.find(&person.source).expect("listed");
                let verdict = state.people.listing.verdict(row);
                let message = explained(state, &name, verdict);
                let mut answers = update(state, message);
                let result = Ok(Box::new(colleagues()));
                answers.extend(update(state, Message::Colleagues { question, result }));
                answers
            }
            Effect::Fetch(wanted) => wanted
                .into_iter()
                .flat_map(|wanted| {
                    let key = wanted.key();
                    let bytes = picture(&format!("{key:?}"));
                    let picture = SideView::Picture {
                        hash: Sha256::of(&bytes),
                        bytes: Some(bytes),
                    };
                    update(state, Message::Fetched { key, picture })
                })
                .collect(),
            Effect::FetchFaces(wanted) => wanted
                .iter()
                .flat_map(FaceQuestion::keys)
                .flat_map(|key| {
                    let face = PastFace::Bytes(picture(&face_words(&key)));
                    let words = match key {
                        FaceKey::Before(..) => "before this run",
                        FaceKey::After(..) => "set by this run",
                        FaceKey::Now(_) => "displayed now",
                        FaceKey::Again(..) => "comes back",
                    };
                    update(state, Message::Face { key, face, words })
                })
                .collect(),
            Effect::Paint { key, .. } => {
                let picture = image::DynamicImage::new_rgb8(64, 64);
                let (width, height) = key.within;
                let drawn = state.canvas.encode(&picture, Size { width, height });
                let result = Some(drawn.map(Arc::new).map_err(|error| error.to_string()));
                update(state, Message::Painted { key, result })
            }
            other => {
                rest.push(other);
                Vec::new()
            }
        };
        waiting.extend(answers);
    }
    rest
}

/// What the engine knows of somebody when it plans.
pub fn candidate(name: &str, verdict: Verdict) -> Candidate {
    let is_paired = verdict != Verdict::Unmatched;
    let has_avatar = matches!(
        verdict,
        Verdict::Differs | Verdict::OnlyInTarget | Verdict::InSync
    );
    Candidate {
        person: PersonRef {
            target: is_paired.then(|| TargetId::new(format!("sys-{}", id(name)))),
            ..person(name)
        },
        judgement: Judgement {
            verdict,
            reason: reason(verdict).into(),
        },
        expected: is_paired.then(|| chain(name, verdict, has_avatar).stamp()),
        photo: (!matches!(verdict, Verdict::Neither | Verdict::OnlyInTarget)).then(stamp),
        photo_is_unusable: false,
        push_would_change: true,
        suspicion: None,
        parked: None,
        upload: Some(Sha256::of(&picture(name))),
        replaces: has_avatar.then(|| Sha256::of(&picture(&format!("{name}, of old")))),
        absence: Absence::Confirmed,
    }
}

/// The plan for these people.
pub fn plan_of(people: &[(&str, Verdict)]) -> Plan {
    let candidates = people
        .iter()
        .map(|(name, verdict)| candidate(name, *verdict))
        .collect();
    plan(candidates, Policy::default(), "default", now(), true)
}

/// The same, with photos that are probably not their own for some of these people.
pub fn suspicious_plan(people: &[(&str, Verdict)], suspicious: &[&str], is_confirmed: bool) -> Plan {
    let candidates = people
        .iter()
        .map(|(name, verdict)| Candidate {
            suspicion: suspicious.contains(name).then(|| "the photo is blank".to_owned()),
            ..candidate(name, *verdict)
        })
        .collect();
    let policy = Policy {
        push_suspicious: is_confirmed,
        ..Policy::default()
    };
    plan(candidates, policy, "default", now(), true)
}

/// A plan that adds pictures for so many people.
pub fn large_plan(count: usize) -> Plan {
    let names: Vec<String> = (1..=count).map(|number| format!("P{number:04} Person")).collect();
    let people: Vec<(&str, Verdict)> = names
        .iter()
        .map(|name| (name.as_str(), Verdict::Missing))
        .collect();
    plan_of(&people)
}

/// The plan asked for last is there.
pub fn planned(state: &mut State, plan: Plan) -> Vec<Effect> {
    let question = state.questions;
    let result = Ok(Box::new(plan));
    update(state, Message::Planned { question, result })
}

/// A plan that clears a duplicate of 12,000 bytes away at so many people, and leaves something else alone.
pub fn littered(count: usize) -> TidyPlan {
    let litter = |name: &str, kind, fate, why: &str| Litter {
        kind,
        place: Place::LIVE_PROFILE,
        record: RecordId::new(format!("profile-{}", id(name))),
        picture: Some(PictureId::new(format!("picture-{}", id(name)))),
        bytes: 12_000,
        fate,
        why: why.into(),
    };
    let somebody = |name: &str| PersonRef {
        source: SourceId::not_asked(&format!("sys-{}", id(name))),
        target: Some(TargetId::new(format!("sys-{}", id(name)))),
        ..person(name)
    };
    let step = |name: String| TidyStep {
        person: somebody(&name),
        subject: Tidied::Person,
        expected: chain(&name, Verdict::Differs, true).stamp(),
        shows: Some(Sha256::of(&picture(&name))),
        litter: vec![litter(
            &name,
            LitterKind::DuplicateImage,
            Fate::Removed,
            "another row is shown",
        )],
        writes: vec![Write::Remove {
            place: Place::LIVE_PROFILE,
            record: RecordId::new(format!("profile-{}", id(&name))),
            picture: PictureId::new(format!("picture-{}", id(&name))),
            bytes: 12_000,
        }],
        reason: "1 duplicate picture".into(),
    };
    TidyPlan {
        schema: TIDY_SCHEMA.into(),
        profile: "default".into(),
        made_at: now(),
        purpose: Purpose::Clean,
        people: 1_204,
        steps: (1..=count)
            .map(|number| step(format!("P{number:04} Person")))
            .collect(),
        left: vec![Left {
            person: somebody("Zoe Left"),
            outcome: Outcome::Skipped,
            litter: vec![litter(
                "Zoe Left",
                LitterKind::NoPicture,
                Fate::Left,
                "somebody has to decide",
            )],
            reason: "somebody has to decide".into(),
        }],
        problems: Vec::new(),
    }
}

/// Something that went wrong.
pub fn trouble(what: &str, hint: Option<&str>) -> Trouble {
    Trouble {
        what: what.into(),
        hint: hint.map(str::to_owned),
    }
}

/// A screen with these people on which a run of this plan has been accepted.
pub fn running(people: &[Few<'_>], plan: Plan) -> State {
    let mut state = screen_of(people);
    press(&mut state, "p");
    planned(&mut state, plan);
    press(&mut state, "enter");
    state
}

/// The run begins to work on so many people.
pub fn started(state: &mut State, steps: u64) -> Vec<Effect> {
    let news = RunNews {
        started: Some(RunStarted {
            run: RunId::new("20260302-140500-1"),
            at: state.now,
            selected: steps,
            steps,
        }),
        ..RunNews::default()
    };
    update(state, Message::Run(news))
}

/// It is being settled what an interrupted run has left: so many of so many people, the last of whom is this one.
pub fn settling(state: &mut State, done: u64, total: u64, last: Option<&str>) -> Vec<Effect> {
    let news = RunNews {
        settling: Some(Settling { done, total }),
        settled: last
            .map(|name| StepDone {
                at: state.now,
                person: person(name),
                outcome: Outcome::Updated,
                detail: "live_profile and sys_user show the photo".into(),
                hint: None,
            })
            .into_iter()
            .collect(),
        ..RunNews::default()
    };
    update(state, Message::Run(news))
}

/// One step of the run.
pub fn step(state: &mut State, name: &str, outcome: Outcome) -> Vec<Effect> {
    let (detail, hint) = match outcome {
        Outcome::Failed => (
            "ServiceNow answered 500 three times; the old picture is still there",
            Some("push this person again later"),
        ),
        Outcome::ChangedMeanwhile => ("somebody else has set another picture", None),
        Outcome::Removed => ("the avatar was removed", None),
        _ => ("live_profile and sys_user show the photo", None),
    };
    let mut news = RunNews::default();
    news.counted.count(outcome);
    news.steps.push(StepDone {
        at: state.now,
        person: person(name),
        outcome,
        detail: detail.into(),
        hint: hint.map(str::to_owned),
    });
    update(state, Message::Run(news))
}

/// The run is over; early, if there is a reason.
pub fn ended(state: &mut State, stopped: Option<StopReason>) -> Vec<Effect> {
    let end = RunEnd {
        at: state.now,
        summary: state.run.counted,
        stopped,
        problems: Vec::new(),
    };
    update(state, Message::RunEnded(Ok(end)))
}

/// A removal that was staged two days ago, about which this was said.
pub fn staged(name: &str, decision: Decision) -> StagedRemoval {
    StagedRemoval {
        person: person(name),
        expected: chain(name, Verdict::OnlyInTarget, true).stamp(),
        picture: None,
        evidence: Some(sightings(240, 12)),
        staged: now() - jiff::SignedDuration::from_hours(48),
        decision,
    }
}

/// So many scans have missed a photo, the first of them so many hours ago, the last one this morning.
pub fn sightings(hours: i64, scans: u32) -> Sightings {
    Sightings {
        first: now() - jiff::SignedDuration::from_hours(hours),
        last: now() - jiff::SignedDuration::from_hours(5),
        scans,
    }
}

/// What is known of avatars that may go: these are staged, and of these people it was seen that the photo is gone.
pub fn removals(staged: Vec<StagedRemoval>, seen: &[(&str, Sightings)]) -> Removals {
    Removals {
        is_on: true,
        needs_approval: true,
        rule: EvidenceRule {
            scans: 2,
            apart: jiff::SignedDuration::from_hours(24),
        },
        staged,
        seen: seen.iter().map(|(name, seen)| (id(name), *seen)).collect(),
    }
}

/// It is read what is known of avatars that may go.
pub fn removals_read(state: &mut State, known: Removals) -> Vec<Effect> {
    update(state, Message::Removals(Ok(Box::new(known))))
}

/// People who were left as they are, counted only.
pub fn left_alone(state: &mut State, outcome: Outcome, count: u64) {
    let mut counted = Summary::default();
    (0..count).for_each(|_| counted.count(outcome));
    let news = RunNews {
        counted,
        ..RunNews::default()
    };
    update(state, Message::Run(news));
}

/// Time goes by.
pub fn pass(state: &mut State, seconds: i64) {
    state.now += jiff::SignedDuration::from_secs(seconds);
    update(state, Message::Tick);
}

/// A lane that works.
pub fn lane(name: &'static str) -> LaneState {
    LaneState {
        name,
        in_flight: 3,
        limit: 8,
        waiting: 0,
        paused: None,
        requests: 1_240,
        retries: 2,
        throttled: 0,
    }
}

/// A lane that was told to wait.
pub fn throttled_lane(name: &'static str, seconds: u64) -> LaneState {
    LaneState {
        in_flight: 0,
        waiting: 12,
        paused: Some((Duration::from_secs(seconds), PauseReason::Throttled)),
        throttled: 4,
        ..lane(name)
    }
}

/// The frame of a window of this size.
pub fn cells(state: &mut State, width: u16, height: u16) -> Buffer {
    resize(state, width, height);
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    view(state, &mut buffer, &mut Placements::default());
    buffer
}

/// The frame as text.
pub fn frame(state: &mut State, width: u16, height: u16) -> String {
    text_of(&cells(state, width, height))
}

/// What the cells say, line by line.
pub fn text_of(buffer: &Buffer) -> String {
    let mut lines = Vec::new();
    for y in buffer.area.rows() {
        let mut line = String::new();
        let mut x = y.x;
        while x < y.right() {
            let symbol = buffer[(x, y.y)].symbol();
            line.push_str(symbol);
            x += (symbol.width() as u16).max(1);
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

/// The last line.
pub fn footer(state: &mut State) -> String {
    let Size { width, height } = state.size;
    let frame = frame(state, width, height);
    frame.lines().last().unwrap_or_default().to_owned()
}

/// A run of the past: so many hours ago, with these endings of people who had a turn.
pub fn past_run(hours: i64, kind: RunKind, endings: &[(Outcome, u64)]) -> PastRun {
    let mut counted = Summary::default();
    for (outcome, people) in endings {
        counted.count_many(*outcome, *people);
    }
    let started = now() - jiff::SignedDuration::from_hours(hours);
    PastRun {
        record: RunRecord {
            id: RunId::new(started.strftime("%Y%m%d-%H%M%S-1f2e").to_string()),
            start: RunStart {
                profile: "default".into(),
                kind,
                started,
                actor: Actor {
                    os_user: "ada".into(),
                    host: "workbench".into(),
                    account: "avatar.integration".into(),
                },
                planned: Planned {
                    selected: counted.selected,
                    replace: counted.selected,
                    ..Planned::default()
                },
                continues: None,
                undoes: None,
            },
            finished: Some(started + jiff::SignedDuration::from_secs(74)),
            summary: Some(counted),
            stopped: None,
        },
        endings: counted,
        unsettled: 0,
        continued_by: None,
        undone_by: None,
    }
}

/// How somebody ended in a run of the past.
pub fn past_step(run: &PastRun, name: &str, outcome: Outcome) -> PastStep {
    let (detail, hint) = match outcome {
        Outcome::Failed => (
            "ServiceNow answered 500 three times; the old picture is still there",
            Some("push this person again later"),
        ),
        Outcome::ChangedMeanwhile => ("somebody else has set another picture", None),
        _ => ("live_profile and sys_user show the photo", None),
    };
    let picture_of = |seed: &str| PastPicture {
        id: Some(PictureId::new(format!("pic-{}", id(name)))),
        sha256: Some(Sha256::of(&picture(seed))),
        place: Place::LIVE_PROFILE,
    };
    PastStep {
        step: StepRecord {
            run: run.record.id.clone(),
            person: person(name),
            change: Change::Replace.into(),
            outcome,
            detail: detail.into(),
            hint: hint.map(str::to_owned),
            settled: true,
            after: None,
            at: run.record.start.started + jiff::SignedDuration::from_secs(9),
        },
        old: Some(picture_of(&format!("{name}, of old"))),
        new: Some(picture_of(name)),
    }
}

/// The journal answers the question for runs that was asked last: these, and no more.
pub fn runs_read(state: &mut State, runs: Vec<PastRun>) -> Vec<Effect> {
    let at = Wanted {
        question: state.questions,
        page: 0,
        after: None,
    };
    let result = Ok(Slice {
        rows: runs,
        next: None,
    });
    update(state, Message::Runs { at, result })
}

/// The journal answers the question for people that was asked last: these, and no more.
pub fn people_read(state: &mut State, people: Vec<PastStep>) -> Vec<Effect> {
    let at = Wanted {
        question: state.questions,
        page: 0,
        after: None,
    };
    let result = Ok(Slice {
        rows: people,
        next: None,
    });
    update(state, Message::RunPeople { at, result })
}

/// A week in which runs of every kind and with every ending were made.
pub fn week() -> Vec<PastRun> {
    let mut stopped = past_run(
        26,
        RunKind::Sync,
        &[(Outcome::Updated, 310), (Outcome::Failed, 60)],
    );
    stopped.record.stopped = Some(StopReason::Brake("50 of the last 100 people failed".into()));
    let mut interrupted = past_run(50, RunKind::Sync, &[(Outcome::Updated, 41)]);
    interrupted.record.finished = None;
    interrupted.record.summary = None;
    interrupted.record.start.planned.replace = 88;
    interrupted.unsettled = 2;
    let mut taken_back = past_run(
        74,
        RunKind::Push,
        &[
            (Outcome::Updated, 2),
            (Outcome::Failed, 1),
            (Outcome::ChangedMeanwhile, 1),
        ],
    );
    taken_back.undone_by = Some(RunId::new("20260228-090000-aaaa"));
    vec![
        past_run(1, RunKind::Push, &[(Outcome::Updated, 3)]),
        stopped,
        interrupted,
        past_run(53, RunKind::Undo, &[(Outcome::Updated, 2)]),
        taken_back,
        past_run(98, RunKind::Clean, &[(Outcome::Updated, 12)]),
    ]
}

/// A plan that takes a run back for these people, and leaves one alone.
pub fn undo_of(run: &str, names: &[&str], changed: &[&str]) -> TidyPlan {
    let step = |name: &&str| TidyStep {
        person: person(name),
        subject: Tidied::Person,
        expected: chain(name, Verdict::InSync, true).stamp(),
        shows: Some(Sha256::of(&picture(&format!("{name}, of old")))),
        litter: Vec::new(),
        writes: vec![Write::Remove {
            place: Place::LIVE_PROFILE,
            record: RecordId::new(format!("profile-{}", id(name))),
            picture: PictureId::new(format!("picture-{}", id(name))),
            bytes: 12_000,
        }],
        reason: "the picture of before is displayed again".into(),
    };
    let left = |name: &&str| Left {
        person: person(name),
        outcome: Outcome::ChangedMeanwhile,
        litter: Vec::new(),
        reason: "the records in ServiceNow were changed since; they stay as they are".into(),
    };
    TidyPlan {
        schema: TIDY_SCHEMA.into(),
        profile: "default".into(),
        made_at: now(),
        purpose: Purpose::Undo(RunId::new(run)),
        people: (names.len() + changed.len()) as u64,
        steps: names.iter().map(step).collect(),
        left: changed.iter().map(left).collect(),
        problems: Vec::new(),
    }
}

/// The cleaning or undo asked for last is there.
pub fn tidying_planned(state: &mut State, plan: TidyPlan) -> Vec<Effect> {
    let question = state.questions;
    let result = Ok(Box::new(plan));
    update(state, Message::TidyingPlanned { question, result })
}
