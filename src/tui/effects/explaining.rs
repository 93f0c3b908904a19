//! Why a picture is what it is, who works with somebody, and the pictures that belong to both.

use std::sync::Arc;

use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::trouble;
use crate::connector::Priority;
use crate::domain::photo::Sha256;
use crate::domain::run::PersonRef;
use crate::domain::text::clean;
use crate::engine::{Engine, SidePicture};
use crate::tui::looked::SideView;
use crate::tui::mailbox::Mailbox;
use crate::tui::message::Message;
use crate::tui::screens::person::Fetch;

/// Pictures of one person's links and colleagues that are fetched at once.
const AT_ONCE: usize = 4;

/// Explains one person; what is not answered yet when somebody else is asked about is given up.
pub async fn explain(
    engine: Arc<Engine>,
    mailbox: Mailbox,
    question: u64,
    person: PersonRef,
    cancel: CancellationToken,
) {
    let why = async {
        let result = engine.explain_person(&person, Priority::Foreground).await;
        let result = result.map(Box::new).map_err(|error| trouble(&error));
        mailbox.post(Message::Explained { question, result });
    };
    let who = async {
        let result = engine.colleagues(&person.source, Priority::Foreground).await;
        let result = result.map(Box::new).map_err(|error| trouble(&error));
        mailbox.post(Message::Colleagues { question, result });
    };
    let both = Box::pin(futures::future::join(why, who));
    cancel.run_until_cancelled(both).await;
}

/// Fetches pictures, a few at once, each answered by itself.
pub async fn fetch(engine: Arc<Engine>, mailbox: Mailbox, wanted: Vec<Fetch>) {
    futures::stream::iter(wanted)
        .for_each_concurrent(AT_ONCE, |wanted| {
            let (engine, mailbox) = (Arc::clone(&engine), mailbox.clone());
            async move {
                let picture = match &wanted {
                    Fetch::Stored(picture) => engine.link_picture(picture, Priority::Foreground).await,
                    Fetch::Face(person) => engine.photo_of(person, Priority::Foreground).await,
                };
                mailbox.post(Message::Fetched {
                    key: wanted.key(),
                    picture: view(picture),
                });
            }
        })
        .await;
}

/// Bytes are checked by whoever draws them.
fn view(picture: SidePicture) -> SideView {
    match picture {
        SidePicture::Absent => SideView::Absent,
        SidePicture::Failed(why) => SideView::Explained(clean(&why).into_owned()),
        SidePicture::Bytes(bytes) => SideView::Picture {
            hash: Sha256::of(&bytes),
            bytes: Some(bytes),
        },
    }
}
