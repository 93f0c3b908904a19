//! The requests made, newest below: what the program is doing, without secrets.

pub mod view;

use crate::connector::http::RequestRecord;
use crate::tui::intent::Intent;

/// The last requests, and where somebody is reading.
#[derive(Debug, Default)]
pub struct LogScreen {
    /// Oldest first.
    pub records: Vec<RequestRecord>,
    /// How far it is scrolled back from its end.
    pub back: usize,
}

impl LogScreen {
    /// The end of the list is wanted.
    pub fn follow(&mut self) {
        self.back = 0;
    }

    /// Another list; whoever has scrolled back stays on the same request as long as it is listed.
    pub fn replace(&mut self, records: Vec<RequestRecord>) {
        if self.back > 0
            && let Some(last) = self.records.last()
        {
            let newer = records
                .iter()
                .rev()
                .take_while(|record| record.at > last.at)
                .count();
            self.back += newer;
        }
        self.records = records;
        self.back = self.back.min(self.records.len().saturating_sub(1));
    }

    /// Scrolls.
    pub fn perform(&mut self, intent: Intent) {
        let by: isize = match intent {
            Intent::Up => 1,
            Intent::Down => -1,
            Intent::PageUp => 15,
            Intent::PageDown => -15,
            Intent::First => isize::MAX,
            Intent::Last => isize::MIN,
            _ => return,
        };
        self.back = self
            .back
            .saturating_add_signed(by)
            .min(self.records.len().saturating_sub(1));
    }
}
