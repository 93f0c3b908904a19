//! The requests, one a line: when, how long, what came back. Paths carry ids; queries and bodies are never kept.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::connector::http::Ending;
use crate::domain::text::clean;
use crate::report::text::size;
use crate::tui::pen::Pen;
use crate::tui::state::State;
use crate::tui::view::{centred, framed};

/// Draws the screen.
pub fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = state.theme;
    let log = &state.log;
    let title = format!("The last {} requests", log.records.len());
    let inner = framed(state, buffer, area, &title);
    if log.records.is_empty() {
        centred(state, buffer, inner, "no request yet");
        return;
    }
    let lines = usize::from(inner.height);
    let end = log.records.len().saturating_sub(log.back);
    let from = end.saturating_sub(lines);
    for (line, record) in log.records[from..end].iter().enumerate() {
        let (ending, style) = match &record.ending {
            Ending::Status(status @ 200..=299) => (status.to_string(), theme.good()),
            Ending::Status(404) => ("404".into(), theme.quiet()),
            Ending::Status(status @ (429 | 503)) => (status.to_string(), theme.warning()),
            Ending::Status(status) => (status.to_string(), theme.bad()),
            Ending::Lost(_) => ("lost".into(), theme.bad()),
        };
        let time = record
            .at
            .to_zoned(state.zone.clone())
            .strftime("%H:%M:%S%.3f")
            .to_string();
        let mut pen = Pen::new(buffer, theme, inner, line as u16);
        pen.write(&time, theme.quiet())
            .skip(1)
            .cell(record.lane, 11, theme.text())
            .cell(&ending, 4, style)
            .cell(&format!("{:>6} ms", record.took.as_millis()), 10, theme.quiet())
            .cell(&format!("{:>7}", size(record.bytes)), 9, theme.quiet())
            .cell(record.method.as_str(), 7, theme.strong());
        if let Ending::Lost(why) = &record.ending {
            pen.write(&clean(why), theme.bad()).skip(2);
        }
        pen.write(&clean(&record.path), theme.text());
        if record.attempt > 1 {
            pen.write(&format!(" (attempt {})", record.attempt), theme.warning());
        }
        if let Some(id) = &record.request_id {
            pen.skip(1).write(&clean(id), theme.quiet());
        }
    }
}
