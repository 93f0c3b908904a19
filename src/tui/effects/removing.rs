//! Avatars that may go because the photo is gone: read, and what somebody says about them.

use crate::domain::brake::removal::{StagedRemoval, Word};
use crate::domain::text::clean;
use crate::engine::Engine;
use crate::report::text::avatars;
use crate::store::StoreError;
use crate::tui::effects::looking_back::tell_standing;
use crate::tui::mailbox::Mailbox;
use crate::tui::message::{Message, Trouble};

/// Reads everything there is to know of them.
pub async fn read(engine: &Engine, mailbox: &Mailbox) {
    let read = engine.removals().await;
    mailbox.post(Message::Removals(
        read.map(Box::new).map_err(|error| trouble(&error)),
    ));
}

/// Says something about staged removals, as they were shown. Needs no lock, so it works beside a run.
pub async fn decide(engine: &Engine, mailbox: &Mailbox, shown: Vec<StagedRemoval>, word: Word) {
    let count = shown.len() as u64;
    let answer = match engine.decide_removals(shown, word).await {
        Ok(decided) if (decided as u64) < count => {
            let changed = count - decided as u64;
            Message::Trouble(Trouble {
                what: format!("{} changed while you decided and wait anew", avatars(changed)),
                hint: (decided > 0).then(|| word.sentence(&avatars(decided as u64))),
            })
        }
        Ok(decided) => Message::Said(word.sentence(&avatars(decided as u64))),
        Err(error) => Message::Trouble(trouble(&error)),
    };
    mailbox.post(answer);
    read(engine, mailbox).await;
    tell_standing(engine, mailbox).await;
}

fn trouble(error: &StoreError) -> Trouble {
    Trouble {
        what: clean(&error.sentence()).into_owned(),
        hint: None,
    }
}
