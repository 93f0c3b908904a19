//! `avatar-sync show PERSON`.

use clap::Args;
use image::DynamicImage;

use super::connect::{self, Session};
use super::failure::Failure;
use super::output::Output;
use super::{GlobalArguments, exit};
use crate::domain::photo::SourcePhoto;
use crate::domain::picture;
use crate::domain::text::clean;
use crate::engine::{Depth, PersonState, SidePicture, Standing};
use crate::graphics::{Drawn, compose, print_inline};
use crate::report::json;
use crate::report::status::StatusPerson;
use crate::report::text::{Look, size, verdict_style};
use crate::store::Access;

/// Whom to show.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// Sign-in name, e-mail, Entra object id, ServiceNow user_name or sys_id.
    #[arg(value_name = "PERSON")]
    person: String,
    /// The person as in `status --json`, without pictures.
    #[arg(long)]
    json: bool,
}

/// Prints both pictures inline, side by side, with the reasons.
pub async fn run(
    output: &Output,
    global: &GlobalArguments,
    arguments: &ShowArguments,
) -> Result<u8, Failure> {
    let configuration = connect::configuration(global, Vec::new())?;
    let session = Session::open(&configuration, Access::Read)?;
    let scan = session
        .scan_people(std::slice::from_ref(&arguments.person), Depth::Deep)
        .await?;
    let state = scan
        .people
        .first()
        .ok_or_else(|| Failure::usage(format!("nobody is called {:?}", clean(&arguments.person))))?;
    let suspicion = scan.suspicions.of(&state.source.id);
    if arguments.json {
        let person = StatusPerson {
            suspicion: suspicion.map(str::to_owned),
            ..StatusPerson::of(state)
        };
        output.data(|out| json::line(out, &person))?;
        return Ok(exit::OK);
    }
    output.data(|out| write_words(out, output.look, state, suspicion))?;
    if global.no_images {
        return Ok(exit::OK);
    }
    let sides = session.engine.pictures(state).await;
    let left = decoded(output, "Entra ID", &sides.source);
    let right = decoded(output, "ServiceNow", &sides.target);
    if left.is_some() || right.is_some() {
        match print_inline(&compose(left.as_ref(), right.as_ref())) {
            Ok(Drawn::With(_) | Drawn::NotATerminal) => {}
            Err(error) => output.talk(&format!(
                "the pictures could not be drawn: {}",
                clean(&error.to_string())
            )),
        }
    }
    Ok(exit::OK)
}

fn decoded(output: &Output, side: &str, picture: &SidePicture) -> Option<DynamicImage> {
    match picture {
        SidePicture::Absent => None,
        SidePicture::Bytes(bytes) => match picture::decode(bytes) {
            Ok(picture) => Some(picture),
            Err(problem) => {
                output.talk(&format!("the picture in {side} {problem}"));
                None
            }
        },
        SidePicture::Failed(why) => {
            output.talk(&format!(
                "the picture in {side} could not be read: {}",
                clean(why)
            ));
            None
        }
    }
}

/// *Unknown* is never *absent*.
fn words_for_photo(photo: &SourcePhoto) -> &'static str {
    match photo {
        SourcePhoto::Unknown => "not looked at",
        SourcePhoto::Absent => "no photo",
        SourcePhoto::Present(_) => "a photo",
        SourcePhoto::OutOfReach(_) | SourcePhoto::Unreadable(_) => "cannot be read",
    }
}

fn write_words(
    out: &mut dyn std::io::Write,
    look: Look,
    state: &PersonState,
    suspicion: Option<&str>,
) -> std::io::Result<()> {
    let person = &state.source;
    let optional = |text: &Option<crate::domain::text::RemoteText>| {
        text.as_ref()
            .map(|text| format!("{}{}", look.dot(), text.shown()))
            .unwrap_or_default()
    };
    writeln!(
        out,
        "{}{}{}{}",
        person.name.shown(),
        optional(&person.job_title),
        optional(&person.department),
        optional(&person.mail)
    )?;
    let verdict = state.judgement.verdict;
    let style = verdict_style(verdict);
    writeln!(
        out,
        "{style}{}{style:#}: {}",
        look.verdict(verdict),
        state.judgement.reason
    )?;
    if let Some(suspicion) = suspicion {
        writeln!(out, "suspicious: {suspicion}")?;
    }
    let json = StatusPerson::of(state);
    match &json.entra {
        Some(photo) => {
            let bytes = photo
                .bytes
                .map(|bytes| format!("{}{}", look.dot(), size(bytes)))
                .unwrap_or_default();
            let (width, height, kind) = (photo.width, photo.height, clean(&photo.content_type));
            writeln!(
                out,
                "left   Entra ID    {width} x {height}{}{kind}{bytes}",
                look.dot()
            )?;
        }
        None => writeln!(out, "left   Entra ID    {}", words_for_photo(&state.photo))?,
    }
    match &json.servicenow {
        Some(avatar) => writeln!(
            out,
            "right  ServiceNow  {}{}from {}{}attachment {}",
            size(avatar.bytes),
            look.dot(),
            avatar.from,
            look.dot(),
            avatar.attachment
        )?,
        None if state.chain.is_some() => writeln!(out, "right  ServiceNow  no avatar")?,
        None => writeln!(out, "right  ServiceNow  not looked at")?,
    }
    if let Standing::Ambiguous { candidates, .. } = &state.standing {
        for candidate in candidates {
            let name = candidate.name.shown();
            writeln!(
                out,
                "       might be    {name}, user_name {}, sys_id {}",
                candidate.user_name.shown(),
                candidate.id
            )?;
        }
    }
    if let Some(chain) = &state.chain {
        for record in &chain.records {
            let pictures: Vec<String> = record
                .pictures
                .iter()
                .map(|picture| format!("{} ({})", picture.id, size(picture.bytes)))
                .collect();
            let pictures = if pictures.is_empty() {
                "no picture".into()
            } else {
                pictures.join(", ")
            };
            let wins = chain
                .served
                .as_ref()
                .is_some_and(|served| served.record == record.id);
            let mark = if wins { "shown  " } else { "       " };
            writeln!(out, "{mark}{:<12} {}  {pictures}", record.place.0, record.id)?;
        }
    }
    Ok(())
}
