//! What somebody at the keyboard means. One table names, explains and places every intent; keys, footer, help and
//! palette are made from it.

/// Something a person at the screen wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// One screenful up.
    PageUp,
    /// One screenful down.
    PageDown,
    /// The first row.
    First,
    /// The last row.
    Last,
    /// To the right: the next person of the contact sheet, the tab to the right of the table.
    Right,
    /// To the left.
    Left,
    /// The tab to the right.
    NextTab,
    /// The tab to the left.
    PreviousTab,
    /// Type a filter.
    Filter,
    /// Sort by the next column.
    Sort,
    /// Turn the order round.
    Reverse,
    /// Mark or unmark the row and go on to the next.
    Mark,
    /// Begin or end marking a range.
    MarkRange,
    /// Mark all that the table shows.
    MarkShown,
    /// Unmark everybody.
    UnmarkAll,
    /// Turn the marks of all that the table shows round.
    InvertMarks,
    /// Push the marked people, or the one under the cursor.
    Push,
    /// Everybody: scan, plan, and ask.
    FullRun,
    /// What lies around in the target: look for it, show the plan, and ask.
    Clean,
    /// What was changed is changed back: at the marked people or the one under the cursor, or a whole run.
    Undo,
    /// What a run that was cut short has left undone is done, after showing the plan.
    Resume,
    /// Whoever is passed over is tried again; without anybody, the quarantine ends.
    Release,
    /// Avatars that may go because the photo is gone.
    Removals,
    /// The next run may remove the marked avatars.
    Approve,
    /// The marked avatars stay.
    Keep,
    /// What was said about the marked avatars does not hold any more.
    TakeBack,
    /// The runs of the past.
    History,
    /// What lies behind the row of the history: the people of a run, a person in the table.
    Follow,
    /// Whoever has a photo that is probably not their own, or everybody again.
    Suspicious,
    /// Put the photos into the plan that are probably not the person's own, or leave them out again.
    PushSuspicious,
    /// Everything known of this person, and why.
    Details,
    /// On to this person's manager.
    Manager,
    /// On to one of their direct reports, counted from 1.
    Report(u8),
    /// Both pictures, as large as the screen.
    Zoom,
    /// Both pictures in one place, one after the other.
    Blink,
    /// Where both pictures differ.
    Difference,
    /// Both pictures as people will see them: small and round.
    Circles,
    /// The people as pairs of pictures, or as a table again.
    Sheet,
    /// Larger pictures, fewer of them.
    Larger,
    /// Smaller pictures, more of them.
    Smaller,
    /// Look at this person again.
    RefreshOne,
    /// Scan both sides again.
    RefreshAll,
    /// Compare, or stop comparing, all pictures whose bytes nobody has looked at.
    Compare,
    /// Stop the scan, or the comparing, that goes on behind the screen.
    Stop,
    /// Copy something about this person.
    Copy,
    /// Open this person's record.
    Open,
    /// All keys.
    Help,
    /// All actions by name.
    Palette,
    /// The requests made.
    Log,
    /// What is configured, and what this terminal can do.
    About,
    /// Another set of colours.
    Theme,
    /// The run under way, or the last one.
    ShowRun,
    /// Yes, do it.
    Accept,
    /// Stop for a moment, or go on.
    Pause,
    /// Stop the run after the writes in hand.
    CancelRun,
    /// Go to the people who failed.
    ShowFailed,
    /// Close what is open; then end a range; at last, show everybody again.
    Back,
    /// Draw everything anew.
    Redraw,
    /// Give the terminal back for a moment.
    Suspend,
    /// End the program.
    Quit,
}

/// Where an intent has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Context {
    /// On every screen.
    Everywhere,
    /// The people.
    People,
    /// The runs of the past, and the people of one of them.
    History,
    /// The people, and the history: what can be filtered and taken back.
    Lists,
    /// Avatars that may go because the photo is gone.
    Removals,
    /// The people, the history and the removals: what is a list with tabs.
    Tabs,
    /// The people and the removals: what can be marked.
    Marks,
    /// The history and the removals: what leads on to somebody in the table.
    Leads,
    /// A plan that waits for an answer: of a push, of a cleaning or of an undo.
    Plan,
    /// A run.
    Run,
}

impl Context {
    /// Every place in which a screen can be.
    const PLACES: [Self; 5] = [Self::People, Self::History, Self::Removals, Self::Plan, Self::Run];

    /// True if what has a meaning in this place has one `here`.
    pub fn holds(self, here: Self) -> bool {
        self == here
            || match self {
                Self::Everywhere => true,
                Self::Lists => matches!(here, Self::People | Self::History),
                Self::Tabs => matches!(here, Self::People | Self::History | Self::Removals),
                Self::Marks => matches!(here, Self::People | Self::Removals),
                Self::Leads => matches!(here, Self::History | Self::Removals),
                Self::People | Self::History | Self::Removals | Self::Plan | Self::Run => false,
            }
    }

    /// True if there is a screen on which both hold.
    pub fn meets(self, other: Self) -> bool {
        Self::PLACES
            .into_iter()
            .any(|here| self.holds(here) && other.holds(here))
    }
}

/// An intent's names, its place, and its keys unless others are configured.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Which.
    pub intent: Intent,
    /// The name in the configuration.
    pub code: &'static str,
    /// What the palette calls it.
    pub words: &'static str,
    /// One word or two for the footer; empty for what is not shown there.
    pub short: &'static str,
    /// Where it has a meaning.
    pub context: Context,
    /// Keys, as the configuration writes them.
    pub keys: &'static [&'static str],
    /// What does the same on the command line.
    pub twin: &'static str,
}

const fn entry(
    intent: Intent,
    code: &'static str,
    words: &'static str,
    short: &'static str,
    context: Context,
    keys: &'static [&'static str],
    twin: &'static str,
) -> Entry {
    Entry {
        intent,
        code,
        words,
        short,
        context,
        keys,
        twin,
    }
}

use Context::{Everywhere, Leads, Lists, Marks, People, Plan, Removals, Run, Tabs};

/// Every intent, in the order in which help lists them.
#[rustfmt::skip]
pub const ENTRIES: &[Entry] = &[
    entry(Intent::Up, "up", "one row up", "", Everywhere, &["up", "k"], ""),
    entry(Intent::Down, "down", "one row down", "", Everywhere, &["down", "j"], ""),
    entry(Intent::PageUp, "page_up", "one screenful up", "", Everywhere, &["pageup", "ctrl-b"], ""),
    entry(Intent::PageDown, "page_down", "one screenful down", "", Everywhere, &["pagedown", "ctrl-f"], ""),
    entry(Intent::First, "first", "to the first row", "", Everywhere, &["home", "<"], ""),
    entry(Intent::Last, "last", "to the last row", "", Everywhere, &["end", "G", ">"], ""),
    entry(Intent::Left, "left", "one to the left: a person of the contact sheet, a tab of the table", "", Tabs, &["left", "h"], ""),
    entry(Intent::Right, "right", "one to the right", "", Tabs, &["right", "l"], ""),
    entry(Intent::NextTab, "next_tab", "next tab", "", Tabs, &["tab"], "avatar-sync status status:VERDICT"),
    entry(Intent::PreviousTab, "previous_tab", "previous tab", "", Tabs, &["backtab"], ""),
    entry(Intent::Filter, "filter", "filter people", "filter", Lists, &["/"], "avatar-sync status FILTER"),
    entry(Intent::Sort, "sort", "sort by the next column", "", People, &["s"], ""),
    entry(Intent::Reverse, "reverse", "turn the order round", "", People, &["i"], ""),
    entry(Intent::Mark, "mark", "mark, and go on", "mark", Marks, &["space"], ""),
    entry(Intent::MarkRange, "mark_range", "mark a range: from here to where it is pressed again", "", People, &["v"], ""),
    entry(Intent::MarkShown, "mark_shown", "mark all that are shown", "", Marks, &["a"], ""),
    entry(Intent::UnmarkAll, "unmark_all", "unmark everybody", "", Marks, &["A"], ""),
    entry(Intent::InvertMarks, "invert_marks", "turn the marks of all that are shown round", "", Marks, &["*"], ""),
    entry(Intent::Push, "push", "push the marked people's photos, after showing the plan", "push", People, &["p"], "avatar-sync push PERSON"),
    entry(Intent::FullRun, "full_run", "full run: scan, plan, and ask", "full run", People, &["S"], "avatar-sync sync"),
    entry(Intent::Clean, "clean", "clean: stored pictures that nobody sees, after showing the plan", "clean", People, &["C"], "avatar-sync clean --dry-run"),
    entry(Intent::Undo, "undo", "undo: the picture of before comes back, after showing the plan", "undo", Lists, &["u"], "avatar-sync undo RUN|PERSON"),
    entry(Intent::Resume, "resume", "go on with a run that was cut short, after showing the plan", "resume", Lists, &["f"], "avatar-sync resume"),
    entry(Intent::Release, "release", "release: try parked people again, or end the quarantine", "", People, &["E"], "avatar-sync release"),
    entry(Intent::Suspicious, "suspicious", "show suspicious photos alone, or everybody again", "", People, &["!"], "avatar-sync status status:suspicious"),
    entry(Intent::Details, "details", "why this person's picture is what it is, step by step", "details", People, &["enter"], "avatar-sync explain PERSON"),
    entry(Intent::Manager, "manager", "from a person on to their manager", "manager", People, &["m"], "avatar-sync explain MANAGER"),
    entry(Intent::Report(1), "report_1", "from a person on to a direct report, by number", "report", People, &["1"], "avatar-sync explain REPORT"),
    entry(Intent::Report(2), "report_2", "to the second direct report", "", People, &["2"], ""),
    entry(Intent::Report(3), "report_3", "to the third direct report", "", People, &["3"], ""),
    entry(Intent::Report(4), "report_4", "to the fourth direct report", "", People, &["4"], ""),
    entry(Intent::Report(5), "report_5", "to the fifth direct report", "", People, &["5"], ""),
    entry(Intent::Report(6), "report_6", "to the sixth direct report", "", People, &["6"], ""),
    entry(Intent::Report(7), "report_7", "to the seventh direct report", "", People, &["7"], ""),
    entry(Intent::Report(8), "report_8", "to the eighth direct report", "", People, &["8"], ""),
    entry(Intent::Report(9), "report_9", "to the ninth direct report", "", People, &["9"], ""),
    entry(Intent::Sheet, "sheet", "contact sheet: the people as pairs of pictures, or as a table again", "contact sheet", People, &["g"], ""),
    entry(Intent::Larger, "larger", "larger pictures on the contact sheet", "", People, &["+", "="], ""),
    entry(Intent::Smaller, "smaller", "smaller pictures, and more of them", "", People, &["-"], ""),
    entry(Intent::Zoom, "zoom", "both pictures, large", "zoom", People, &["z"], "avatar-sync show PERSON"),
    entry(Intent::Blink, "blink", "blink: both pictures in one place, the other one with each key", "blink", People, &["b"], "avatar-sync show PERSON"),
    entry(Intent::Difference, "difference", "where both pictures differ", "difference", People, &["d"], "avatar-sync show PERSON"),
    entry(Intent::Circles, "circles", "as people will see them: round and small, on light and on dark", "circles", People, &["c"], "avatar-sync show PERSON"),
    entry(Intent::Compare, "compare", "compare all pictures not looked at yet, or stop", "", People, &["D"], "avatar-sync status --deep"),
    entry(Intent::RefreshOne, "refresh", "look at this person again", "", People, &["r"], "avatar-sync show PERSON"),
    entry(Intent::RefreshAll, "refresh_all", "scan both sides again", "", People, &["R"], "avatar-sync status"),
    entry(Intent::Stop, "stop", "stop scanning or comparing", "", People, &["x"], ""),
    entry(Intent::Copy, "copy", "copy something about this person", "", People, &["y"], "avatar-sync show PERSON --json"),
    entry(Intent::Open, "open", "open this person's record", "", People, &["o"], ""),
    entry(Intent::Follow, "follow", "the people of a run; from a person on to the table", "open", Leads, &["enter"], "avatar-sync history RUN"),
    entry(Intent::Approve, "approve", "approve: the next run may remove the marked avatars, after a question", "approve", Removals, &["p"], "avatar-sync removals approve PERSON"),
    entry(Intent::Keep, "keep", "keep the marked avatars as long as nothing changes", "keep", Removals, &["n"], "avatar-sync removals reject PERSON"),
    entry(Intent::TakeBack, "take_back", "take back what was said about the marked avatars", "take back", Removals, &["u"], "avatar-sync removals withdraw PERSON"),
    entry(Intent::Accept, "accept", "yes, do it", "do it", Plan, &["enter", "y"], ""),
    entry(Intent::PushSuspicious, "push_suspicious", "put suspicious photos into the plan, or leave them out again", "suspicious", Plan, &["w"], "avatar-sync sync --push-suspicious"),
    entry(Intent::Pause, "pause", "pause the run, or go on", "pause", Run, &["space", "p"], ""),
    entry(Intent::CancelRun, "cancel", "stop the run after the writes in hand", "stop", Run, &["c"], "Ctrl-C"),
    entry(Intent::ShowFailed, "show_failed", "go to the people who failed", "failed", Run, &["f"], "avatar-sync history RUN"),
    entry(Intent::ShowRun, "show_run", "the run under way, or the last one", "", Everywhere, &["ctrl-r"], "avatar-sync history"),
    entry(Intent::History, "history", "history: every run, with the old and the new faces", "history", Everywhere, &["H"], "avatar-sync history"),
    entry(Intent::Removals, "removals", "removals: avatars that may go because the photo is gone", "removals", Everywhere, &["X"], "avatar-sync removals"),
    entry(Intent::Palette, "palette", "all actions by name", "command", Everywhere, &[":"], ""),
    entry(Intent::Log, "log", "the requests made", "", Everywhere, &["@"], ""),
    entry(Intent::About, "about", "what is configured, and what this terminal can do", "", Everywhere, &["ctrl-a"], "avatar-sync info"),
    entry(Intent::Theme, "theme", "another set of colours", "", Everywhere, &["t"], ""),
    entry(Intent::Help, "help", "all keys", "help", Everywhere, &["?", "f1"], "avatar-sync --help"),
    entry(Intent::Back, "back", "close what is open; then end a range, clear the filter", "", Everywhere, &["esc"], ""),
    entry(Intent::Redraw, "redraw", "draw everything anew", "", Everywhere, &["ctrl-l"], ""),
    entry(Intent::Suspend, "suspend", "give the terminal back for a moment", "", Everywhere, &["ctrl-z"], ""),
    entry(Intent::Quit, "quit", "end the program", "quit", Everywhere, &["q", "ctrl-c"], ""),
];

impl Intent {
    /// True for one of a row of intents that the first of them speaks for, in help and in the palette.
    pub fn is_spoken_for(self) -> bool {
        matches!(self, Self::Report(number) if number > 1)
    }

    /// Its entry in the table.
    pub fn entry(self) -> &'static Entry {
        ENTRIES
            .iter()
            .find(|entry| entry.intent == self)
            .expect("every intent has an entry, which a test sees to")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_intents_are_listed_once() {
        let mut codes: Vec<&str> = ENTRIES.iter().map(|entry| entry.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ENTRIES.len());
        for entry in ENTRIES {
            assert_eq!(entry.intent.entry().code, entry.code);
        }
    }
}
