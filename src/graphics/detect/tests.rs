use super::super::Protocol;
use super::super::probe::Heard;
use super::*;

/// A modern terminal with all colours, nothing between.
fn plain() -> Surroundings {
    Surroundings {
        truecolor: true,
        term: "xterm-256color".into(),
        ..Surroundings::default()
    }
}

fn from_variables(variables: &[(&str, &str)]) -> Surroundings {
    Surroundings::of(&|name| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn chosen(surroundings: &Surroundings, answer: &str) -> Option<Method> {
    let terminal = Heard::of(answer.as_bytes()).terminal;
    choose(Wish::Auto, surroundings, terminal.as_ref(), None).0
}

#[cfg(unix)]
#[test]
fn every_known_terminal_gets_what_was_seen_to_work_in_it() {
    let blocks = Method::Blocks(Colours::All);
    for (terminal, answer, expected) in [
        (
            "kitty",
            "\x1bP>|kitty(0.41.1)\x1b\\\x1b[6;20;10t\x1b_Gi=31;OK\x1b\\\x1b[?62;52c",
            Method::Kitty,
        ),
        (
            "kitty before 0.28",
            "\x1bP>|kitty(0.26.5)\x1b\\\x1b[6;20;10t\x1b_Gi=31;OK\x1b\\\x1b[?62;c",
            Method::Kitty,
        ),
        (
            "Ghostty",
            "\x1bP>|ghostty 1.1.0\x1b\\\x1b[6;34;16t\x1b_Gi=31;OK\x1b\\\x1b[?62;22c",
            Method::Kitty,
        ),
        (
            "kitty with graphics off",
            "\x1bP>|kitty(0.41.1)\x1b\\\x1b[?62;52c",
            blocks,
        ),
        (
            "xterm as a VT340",
            "\x1bP>|XTerm(390)\x1b\\\x1b[?63;1;2;4;6c",
            Method::Sixel,
        ),
        ("xterm", "\x1bP>|XTerm(390)\x1b\\\x1b[?64;1;2;6c", blocks),
        (
            "foot",
            "\x1bP>|foot(1.21.0)\x1b\\\x1b[6;20;10t\x1b[?62;4;22c",
            Method::Sixel,
        ),
        ("mlterm", "\x1b[?63;1;2;3;4;7;29c", Method::Sixel),
        (
            "VS Code with pictures",
            "\x1bP>|xterm.js(5.5.0)\x1b\\\x1b[?62;4;9;22c",
            Method::Sixel,
        ),
        (
            "VS Code without",
            "\x1bP>|xterm.js(5.5.0)\x1b\\\x1b[?1;2c",
            blocks,
        ),
        (
            "iTerm2",
            "\x1bP>|iTerm2 3.5.0\x1b\\\x1b_Gi=31;OK\x1b\\\x1b[?64;1;2;4c",
            Method::Iterm2,
        ),
        (
            "WezTerm",
            "\x1bP>|WezTerm 20240203\x1b\\\x1b[?65;4;6;18;22c",
            Method::Iterm2,
        ),
        (
            "Konsole",
            "\x1bP>|Konsole 23.08.1\x1b\\\x1b_Gi=31;OK\x1b\\\x1b[?62;1;4c",
            blocks,
        ),
        ("contour", "\x1bP>|contour 0.4.3\x1b\\\x1b[?65;1;4c", blocks),
        (
            "Windows Terminal from Linux",
            "\x1b[6;20;10t\x1b[?61;4;6;7;14c",
            Method::Sixel,
        ),
        ("Terminal.app", "\x1b[?1;2c", blocks),
    ] {
        assert_eq!(chosen(&plain(), answer), Some(expected), "{terminal}");
    }
}

#[cfg(unix)]
#[test]
fn an_old_kitty_that_keeps_its_name_to_itself_is_known_by_term() {
    let kitty = Surroundings {
        term: "xterm-kitty".into(),
        ..Surroundings::default()
    };
    let answer = "\x1b_Gi=31;OK\x1b\\\x1b[?62;c";
    assert_eq!(chosen(&kitty, answer), Some(Method::Kitty));
    assert_eq!(chosen(&plain(), answer), Some(Method::Blocks(Colours::All)));
}

#[cfg(unix)]
#[test]
fn in_tmux_only_trusted_terminals_get_pictures() {
    let tmux = Surroundings {
        tmux: true,
        ..plain()
    };
    let terminal = Heard::of(b"\x1bP>|tmux 3.4\x1b\\\x1b[?1;2;4c").terminal;
    let within = |outer| choose(Wish::Auto, &tmux, terminal.as_ref(), outer).0;
    assert_eq!(within(Some("kitty(0.41.1)")), Some(Method::KittyThroughTmux));
    assert_eq!(within(Some("ghostty 1.1.0")), Some(Method::KittyThroughTmux));
    let others = [
        "",
        "foot(1.21.0)",
        "iTerm2 3.5.0",
        "kitty(0.26.5)",
        "kitty",
        "kitty(0",
    ];
    for outer in others.map(Some).into_iter().chain([None]) {
        assert_eq!(within(outer), Some(Method::Blocks(Colours::All)), "{outer:?}");
    }
}

#[test]
fn a_multiplexer_is_never_asked_the_kitty_question() {
    for variables in [
        &[("TERM", "tmux-256color"), ("TMUX", "/tmp/tmux-1000/default,1,0")][..],
        // tmux on the machine that this SSH session came from.
        &[
            ("TERM", "tmux-256color"),
            ("SSH_CONNECTION", "192.0.2.1 1 192.0.2.2 22"),
        ],
        &[("TERM", "xterm-256color"), ("STY", "4711.pts-0")],
    ] {
        let surroundings = from_variables(variables);
        if let Some(questions) = questions(Wish::Auto, &surroundings) {
            let questions = String::from_utf8_lossy(&questions);
            assert!(!questions.contains("\x1b_G"), "{variables:?}");
        }
    }
}

#[cfg(unix)]
#[test]
fn the_question_every_terminal_answers_comes_last() {
    let questions = questions(Wish::Auto, &plain()).expect("asks");
    assert!(questions.starts_with(b"\x1b[>q\x1b[16t\x1b]11;?\x1b\\\x1b_G"));
    assert!(questions.ends_with(b"\x1b\\\x1b[c"));
}

#[test]
fn who_cannot_understand_or_need_not_answer_is_asked_nothing() {
    let dumb = from_variables(&[("TERM", "dumb")]);
    let console = from_variables(&[("TERM", "linux")]);
    assert_eq!(questions(Wish::Auto, &dumb), None);
    assert_eq!(questions(Wish::Auto, &console), None);
    assert_eq!(questions(Wish::Blocks, &plain()), None);
    assert_eq!(questions(Wish::Off, &plain()), None);
}

#[test]
fn where_half_blocks_cannot_be_coloured_there_are_words_alone_and_a_reason() {
    let answer = "\x1b[?1;2c";
    let terminal = Heard::of(answer.as_bytes()).terminal;
    for (surroundings, reason) in [
        (
            Surroundings {
                no_color: true,
                ..plain()
            },
            "NO_COLOR",
        ),
        (
            Surroundings {
                no_utf8: true,
                ..plain()
            },
            "locale",
        ),
        (from_variables(&[("TERM", "vt220")]), "16 colours"),
    ] {
        let (method, why) = choose(Wish::Auto, &surroundings, terminal.as_ref(), None);
        assert_eq!(method, None, "{why}");
        assert!(why.contains(reason), "{why}");
    }
    let (method, why) = choose(Wish::Auto, &from_variables(&[("TERM", "linux")]), None, None);
    assert_eq!(method, None, "{why}");
}

#[cfg(unix)]
#[test]
fn no_color_leaves_real_pictures_alone() {
    let quiet = Surroundings {
        no_color: true,
        ..plain()
    };
    assert_eq!(
        chosen(&quiet, "\x1bP>|foot(1.21.0)\x1b\\\x1b[?62;4c"),
        Some(Method::Sixel)
    );
}

#[test]
fn blocks_use_the_palette_unless_all_colours_are_promised() {
    let palette = from_variables(&[("TERM", "xterm-256color")]);
    let all = from_variables(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]);
    assert_eq!(
        chosen(&palette, "\x1b[?1;2c"),
        Some(Method::Blocks(Colours::Palette))
    );
    assert_eq!(chosen(&all, "\x1b[?1;2c"), Some(Method::Blocks(Colours::All)));
}

#[test]
fn a_wish_is_granted_whatever_the_terminal_says() {
    for (wish, expected) in [
        (Wish::Kitty, Some(Method::Kitty)),
        (Wish::Sixel, Some(Method::Sixel)),
        (Wish::Iterm2, Some(Method::Iterm2)),
        (Wish::Blocks, Some(Method::Blocks(Colours::All))),
        (Wish::Off, None),
    ] {
        assert_eq!(choose(wish, &plain(), None, None).0, expected, "{wish:?}");
    }
    let dumb = from_variables(&[("TERM", "dumb")]);
    #[cfg(unix)]
    assert_eq!(choose(Wish::Kitty, &dumb, None, None).0, None);
    assert_eq!(choose(Wish::Off, &dumb, None, None).0, None);
}

#[test]
fn every_code_leads_back_to_its_wish() {
    for wish in Wish::ALL {
        assert_eq!(Wish::from_code(wish.code()), Some(wish));
    }
    assert_eq!(Wish::from_code("ascii"), None);
}

#[test]
fn switched_off_nothing_is_asked_and_the_reason_is_given() {
    let detected = detect(Wish::Off, &plain());
    assert_eq!(detected.canvas.protocol(), None);
    assert_eq!(detected.why, "pictures are switched off");
    assert!(!detected.answered && detected.typed.is_empty());
    let detected = detect(Wish::Blocks, &plain());
    assert_eq!(detected.canvas.protocol(), Some(Protocol::Blocks));
}

#[cfg(unix)]
#[test]
fn a_program_that_hangs_is_killed_in_time_and_one_that_fails_says_nothing() {
    let started = Instant::now();
    let hanging = answer_of(Command::new("sleep").arg("60"));
    assert_eq!(hanging.within(Duration::from_millis(20)), None);
    assert!(started.elapsed() < Duration::from_secs(10));
    let limit = Duration::from_secs(30);
    let echo = answer_of(Command::new("sh").args(["-c", "printf 'kitty(0.41.1)\\nmore\\n'"]));
    assert_eq!(echo.within(limit).as_deref(), Some("kitty(0.41.1)"));
    assert_eq!(
        answer_of(Command::new("sh").args(["-c", "exit 1"])).within(limit),
        None
    );
    assert_eq!(
        answer_of(&mut Command::new("no-such-program-here")).within(limit),
        None
    );
}
