//! Messages on their way to the screen. News that has not been read yet is merged with later news, so that a screen
//! that cannot be drawn for a while (a terminal that does not read) costs no memory and slows nothing down.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::message::{Message, RunNews};

/// Where anybody may put a message, from any thread; one reads. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Mailbox {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    queue: Mutex<VecDeque<Message>>,
    arrived: Notify,
}

impl Mailbox {
    /// Puts a message.
    pub fn post(&self, message: Message) {
        {
            let mut queue = self.inner.queue.lock();
            if let Some(message) = merged(queue.back_mut(), message) {
                queue.push_back(message);
            }
        }
        self.inner.arrived.notify_one();
    }

    /// The next message, if there is one.
    pub fn try_next(&self) -> Option<Message> {
        self.inner.queue.lock().pop_front()
    }

    /// The next message.
    pub async fn next(&self) -> Message {
        loop {
            let arrived = self.inner.arrived.notified();
            if let Some(message) = self.try_next() {
                return message;
            }
            arrived.await;
        }
    }

    /// True if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.inner.queue.lock().is_empty()
    }
}

/// Works a message into the last one, where both are news of the same thing; else gives it back.
fn merged(last: Option<&mut Message>, message: Message) -> Option<Message> {
    match (last, message) {
        (Some(Message::Run(known)), Message::Run(news)) => {
            add(known, news);
            None
        }
        (Some(Message::Compared(known)), Message::Compared(mut news)) => {
            known.append(&mut news);
            None
        }
        (Some(last @ Message::Scanning(_)), message @ Message::Scanning(_))
        | (Some(last @ Message::Lanes(_)), message @ Message::Lanes(_))
        | (Some(last @ Message::Requests(_)), message @ Message::Requests(_)) => {
            *last = message;
            None
        }
        (_, message) => Some(message),
    }
}

fn add(known: &mut RunNews, news: RunNews) {
    if news.settling.is_some() {
        known.settling = news.settling;
    }
    known.settled.extend(news.settled);
    if news.started.is_some() {
        known.started = news.started;
    }
    known.counted.add(&news.counted);
    known.steps.extend(news.steps);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::{Outcome, Summary};
    use crate::tui::message::ScanNews;

    fn counted(outcome: Outcome) -> Message {
        let mut summary = Summary::default();
        summary.count(outcome);
        Message::Run(RunNews {
            counted: summary,
            ..RunNews::default()
        })
    }

    #[test]
    fn unread_news_of_a_run_become_one_message_that_adds_up() {
        let mailbox = Mailbox::default();
        for _ in 0..1_000 {
            mailbox.post(counted(Outcome::Unchanged));
        }
        mailbox.post(counted(Outcome::Failed));
        let Some(Message::Run(news)) = mailbox.try_next() else {
            panic!("news of the run")
        };
        assert_eq!((news.counted.unchanged, news.counted.failed), (1_000, 1));
        assert!(news.counted.adds_up());
        assert!(mailbox.is_empty());
    }

    #[test]
    fn of_progress_only_the_last_counts_and_other_messages_keep_their_order() {
        let mailbox = Mailbox::default();
        let progress = |done| {
            Message::Scanning(ScanNews {
                what: "listing",
                done,
                total: None,
            })
        };
        mailbox.post(progress(1));
        mailbox.post(progress(2));
        mailbox.post(Message::Said("hello".into()));
        mailbox.post(progress(3));
        assert!(matches!(mailbox.try_next(), Some(Message::Scanning(news)) if news.done == 2));
        assert!(matches!(mailbox.try_next(), Some(Message::Said(_))));
        assert!(matches!(mailbox.try_next(), Some(Message::Scanning(news)) if news.done == 3));
    }
}
