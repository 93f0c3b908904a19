//! Leaving while a run is under way is asked once (`reliability.md` N2).

use ratatui::buffer::Buffer;

use crate::report::text::number;
use crate::tui::layout;
use crate::tui::pen::Pen;
use crate::tui::state::State;
use crate::tui::view::framed;

/// The answers: key, what it does, and the rest of it where there is room.
const ANSWERS: [(&str, &str, &str); 3] = [
    ("w", "waits", ": the run goes on, and so does the screen"),
    ("s", "stops", " after the writes in hand, then ends"),
    ("n", "ends now", "; the next start settles what is in hand"),
];

/// The question for a window in which there is no room for it.
pub fn in_one_line() -> String {
    let answers = ANSWERS.map(|(key, words, _)| format!("{key} {words}"));
    format!("A run is under way: {}.", answers.join(", "))
}

/// Draws the question.
pub fn draw(state: &State, buffer: &mut Buffer) {
    let theme = state.theme;
    let area = layout::dialog(state.size, 66, 7);
    let title = if state.run.settling.is_some() {
        "What an interrupted run has left is being settled"
    } else {
        "A run is under way"
    };
    let inner = framed(state, buffer, area, title);
    let (done, steps) = state.run.figures();
    Pen::new(buffer, theme, inner, 0).skip(1).write(
        &format!("{} of {} people are done.", number(done), number(steps)),
        theme.text(),
    );
    for (line, (key, words, more)) in ANSWERS.into_iter().enumerate() {
        Pen::new(buffer, theme, inner, line as u16 + 2)
            .skip(1)
            .write(key, theme.accent())
            .skip(2)
            .write(words, theme.strong())
            .write(more, theme.text());
    }
}
