use std::cell::RefCell;
use std::num::NonZero;
use std::rc::Rc;

use image::{DynamicImage, Rgb, RgbImage};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Size;
use ratatui::widgets::Paragraph;
use ratatui::{TerminalOptions, Viewport};

use super::super::blocks::Colours;
use super::*;

const SCREEN: Rect = Rect::new(0, 0, 100, 30);
const LEFT: Rect = Rect::new(20, 2, 36, 18);
const RIGHT: Rect = Rect::new(60, 2, 36, 18);

/// A terminal of 100 × 30 cells of 10 × 20 pixels: what has been sent to it, by ratatui and by the painter.
struct Screen {
    terminal: Terminal<CrosstermBackend<Line>>,
    line: Line,
    canvas: Canvas,
    painter: Painter,
}

/// What ratatui has sent and nobody has looked at yet.
#[derive(Clone, Default)]
struct Line(Rc<RefCell<Vec<u8>>>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Sent {
    cells: String,
    pictures: String,
}

impl Screen {
    fn with(method: Method) -> Self {
        let options = TerminalOptions {
            viewport: Viewport::Fixed(SCREEN),
        };
        let canvas = Canvas::new(Some(method), Some((10, 20)), None);
        let line = Line::default();
        let backend = CrosstermBackend::new(line.clone());
        Self {
            terminal: Terminal::with_options(backend, options).expect("a terminal"),
            line,
            painter: Painter::new(&canvas),
            canvas,
        }
    }

    fn picture(&self, seed: u32) -> Arc<Drawable> {
        self.picture_of(&face(seed), LEFT.as_size())
    }

    fn picture_of(&self, picture: &DynamicImage, within: Size) -> Arc<Drawable> {
        Arc::new(self.canvas.encode(picture, within).expect("encodes"))
    }

    /// Draws a frame with this text and these pictures, and gives what was sent.
    fn frame(&mut self, text: &str, pictures: &[(&Arc<Drawable>, Rect)]) -> Sent {
        let mut placements = Placements::new();
        self.terminal
            .draw(|frame| {
                frame.render_widget(Paragraph::new(text), SCREEN);
                for (drawable, area) in pictures {
                    assert!(placements.put(drawable, *area, frame.buffer_mut()));
                }
            })
            .expect("draws");
        let cells = self.line.0.take();
        let mut pictures = Vec::new();
        self.painter.paint(&mut pictures, placements).expect("paints");
        Sent {
            cells: String::from_utf8(cells).expect("text"),
            pictures: String::from_utf8(pictures).expect("text"),
        }
    }
}

/// Soft shapes and grain, so that no two are alike and none compresses well.
fn face(seed: u32) -> DynamicImage {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    DynamicImage::ImageRgb8(RgbImage::from_fn(360, 360, |x, y| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let waves = (f64::from(x * (seed + 2)) / 130.0).sin() + (f64::from(y) / 70.0).cos();
        let with = |base: f64, shift: u32| {
            (base + 40.0 * waves + f64::from(state >> shift & 15)).clamp(0.0, 255.0) as u8
        };
        Rgb([with(150.0, 0), with(120.0, 8), with(100.0, 16)])
    }))
}

/// How often the terminal is told something.
fn count(sent: &Sent, command: &str) -> usize {
    sent.pictures.matches(command).count()
}

/// The cells that `bytes` write on a screen that was full of pictures: what they leave is a remainder of a picture.
fn left_over(bytes: &str, area: Rect) -> usize {
    let nonzero = |length| NonZero::new(length).expect("the screen has cells");
    let mut parser = vt100::Parser::new(nonzero(SCREEN.height), nonzero(SCREEN.width), 0);
    for row in SCREEN.top()..SCREEN.bottom() {
        parser.process(format!("\x1b[{};1H{}", row + 1, "#".repeat(SCREEN.width.into())).as_bytes());
    }
    parser.process(bytes.as_bytes());
    let is_left = |position: &Position| {
        let cell = parser
            .screen()
            .cell(position.y, position.x)
            .expect("on the screen");
        cell.contents() == "#"
    };
    area.positions().filter(is_left).count()
}

#[test]
fn a_pair_of_photos_costs_80_kilobytes_once_and_400_bytes_when_it_comes_back() {
    let mut screen = Screen::with(Method::Kitty);
    let pairs: Vec<_> = (0..2)
        .map(|pair| (screen.picture(pair * 2 + 1), screen.picture(pair * 2 + 2)))
        .collect();
    let shown = |pair: usize| [(&pairs[pair].0, LEFT), (&pairs[pair].1, RIGHT)];
    let first = screen.frame("", &shown(0));
    assert!(first.pictures.len() <= 80_000, "{} bytes", first.pictures.len());
    // The faces are worth it.
    assert!(first.pictures.len() > 40_000, "{} bytes", first.pictures.len());
    assert_eq!(count(&first, "a=t,f=100,"), 2);
    let second = screen.frame("", &shown(1));
    assert!(second.pictures.len() <= 80_400, "{} bytes", second.pictures.len());
    let back = screen.frame("", &shown(0));
    assert!(
        back.pictures.len() <= 400,
        "{} bytes: {:?}",
        back.pictures.len(),
        back.pictures
    );
    assert_eq!(
        (
            count(&back, "a=t"),
            count(&back, "a=p,"),
            count(&back, "a=d,d=i,")
        ),
        (0, 2, 2)
    );
    let idle = screen.frame("", &shown(0));
    assert_eq!(back.cells, idle.cells, "nor has ratatui any cell to write");
}

#[test]
fn what_stays_is_sent_once() {
    for method in [
        Method::Kitty,
        Method::KittyThroughTmux,
        Method::Sixel,
        Method::Iterm2,
        Method::Blocks(Colours::All),
    ] {
        let mut screen = Screen::with(method);
        let picture = screen.picture(1);
        let nothing = screen.frame("", &[]).cells;
        let first = screen.frame("", &[(&picture, LEFT)]);
        assert!(first.cells.len() + first.pictures.len() > 100, "{method:?}");
        let again = screen.frame("", &[(&picture, LEFT)]);
        assert_eq!(again.pictures, "", "{method:?}");
        assert_eq!(again.cells, nothing, "{method:?}");
    }
}

#[test]
fn the_commands_for_kitty_are_these() {
    let mut screen = Screen::with(Method::Kitty);
    let picture = screen.picture(1);
    let Form::Kitty(upload) = picture.form() else {
        panic!("the wrong protocol")
    };
    let id = upload.id;
    let mut stored = String::new();
    upload.write(false, &mut stored);
    let first = screen.frame("", &[(&picture, LEFT)]);
    let placed = format!("\x1b[3;21H\x1b_Ga=p,i={id},p=1,c=36,r=18,C=1,q=2\x1b\\");
    assert_eq!(
        first.pictures,
        format!("\x1b7\x1b[0m{stored}{placed}\x1b[0m\x1b8")
    );
    let gone = screen.frame("", &[]);
    let hidden = format!("\x1b_Ga=d,d=i,i={id},p=1,q=2\x1b\\");
    assert_eq!(gone.pictures, format!("\x1b7\x1b[0m{hidden}\x1b[0m\x1b8"));
    drop(picture);
    let dropped = screen.frame("", &[]);
    let deleted = format!("\x1b_Ga=d,d=I,i={id},q=2\x1b\\");
    assert_eq!(dropped.pictures, format!("\x1b7\x1b[0m{deleted}\x1b[0m\x1b8"));
    assert_eq!(screen.frame("", &[]).pictures, "");
}

#[test]
fn a_picture_that_nobody_holds_stays_as_long_as_it_is_shown() {
    let mut screen = Screen::with(Method::Kitty);
    let picture = screen.picture(1);
    screen.frame("", &[(&picture, LEFT)]);
    // The cache has evicted it, the view has it for this frame.
    let view = Arc::clone(&picture);
    drop(picture);
    assert_eq!(screen.frame("", &[(&view, LEFT)]).pictures, "");
    drop(view);
    let gone = screen.frame("", &[]);
    assert_eq!(count(&gone, "a=d,d=I"), 1, "{:?}", gone.pictures);
}

#[test]
fn a_picture_in_two_places_is_stored_once_and_hidden_one_by_one() {
    let mut screen = Screen::with(Method::Kitty);
    let picture = screen.picture(1);
    let both = screen.frame("", &[(&picture, LEFT), (&picture, RIGHT)]);
    assert_eq!((count(&both, "a=t"), count(&both, "a=p,")), (1, 2));
    let one = screen.frame("", &[(&picture, RIGHT)]);
    assert_eq!((count(&one, "a=p,"), count(&one, "a=d,d=i,")), (0, 1));
    assert_eq!(count(&one, "p=1,"), 1, "the left one: {:?}", one.pictures);
}

#[test]
fn in_tmux_a_picture_is_passed_through_and_stands_as_text() {
    let mut screen = Screen::with(Method::KittyThroughTmux);
    let picture = screen.picture(1);
    let first = screen.frame("", &[(&picture, LEFT)]);
    assert_eq!(count(&first, "\x1bPtmux;\x1b\x1b_Ga=t,f=100,"), 1);
    assert_eq!(count(&first, "\x1bPtmux;\x1b\x1b_Ga=p,U=1,"), 1);
    assert_eq!(count(&first, "\u{10EEEE}"), 36 * 18);
    let gone = screen.frame("", &[]);
    assert_eq!(left_over(&gone.cells, LEFT), 0);
    let back = screen.frame("", &[(&picture, LEFT)]);
    assert_eq!(count(&back, "\x1bPtmux;"), 0, "it is stored already");
    assert_eq!(count(&back, "\u{10EEEE}"), 36 * 18);
    drop(picture);
    let deleted = screen.frame("", &[]);
    assert_eq!(count(&deleted, "\x1bPtmux;\x1b\x1b_Ga=d,d=I,"), 1);
}

#[test]
fn a_picture_in_the_cells_is_erased_to_the_last_by_what_takes_its_place() {
    for method in [Method::Sixel, Method::Iterm2, Method::KittyThroughTmux] {
        let mut screen = Screen::with(method);
        let picture = screen.picture(1);
        screen.frame("", &[(&picture, LEFT)]);
        let dialog = screen.frame(&"\nReally?".repeat(9), &[]);
        assert_eq!(dialog.pictures, "", "{method:?}");
        assert_eq!(left_over(&dialog.cells, LEFT), 0, "{method:?}");
        let back = screen.frame("", &[(&picture, LEFT)]);
        assert!(back.pictures.len() > 100, "{method:?}");
        // A smaller one in its place: the rest of the larger one goes.
        let smaller = screen.picture_of(&face(2), Size::new(20, 10));
        let second = screen.frame("", &[(&smaller, LEFT)]);
        let rest = LEFT.width * LEFT.height - 20 * 10;
        let written = usize::from(LEFT.width * LEFT.height) - left_over(&second.cells, LEFT);
        assert_eq!(written, usize::from(rest), "{method:?}");
        assert!(second.pictures.len() > 100, "{method:?}");
    }
}

#[test]
fn a_dialog_hides_all_pictures_of_kitty_and_they_come_back() {
    let mut screen = Screen::with(Method::Kitty);
    let (left, right) = (screen.picture(1), screen.picture(2));
    let both = [(&left, LEFT), (&right, RIGHT)];
    screen.frame("", &both);
    let dialog = screen.frame("Really?", &[]);
    assert_eq!((count(&dialog, "a=d,d=i,"), count(&dialog, "a=p")), (2, 0));
    let back = screen.frame("", &both);
    assert_eq!((count(&back, "a=t"), count(&back, "a=p,")), (0, 2));
}

#[test]
fn one_picture_takes_anothers_place_without_a_moment_in_between() {
    let mut screen = Screen::with(Method::Kitty);
    let (one, other) = (screen.picture(1), screen.picture(2));
    screen.frame("", &[(&one, LEFT)]);
    let sent = screen.frame("", &[(&other, LEFT)]).pictures;
    assert!(
        sent.find("a=p,") < sent.find("a=d,d=i,"),
        "shown before the other is hidden"
    );
}

#[test]
fn in_sixel_a_picture_clears_its_cells_before_it_is_drawn() {
    let mut screen = Screen::with(Method::Sixel);
    let (one, other) = (screen.picture(1), screen.picture(2));
    screen.frame("", &[(&one, LEFT)]);
    let second = screen.frame("", &[(&other, LEFT)]);
    assert_eq!(left_over(&second.pictures, LEFT), 0);
    let start = second.pictures.find("\x1b[3;21H").expect("at the upper left");
    assert!(start < second.pictures.find("\x1bP").expect("a Sixel picture"));
}

#[test]
fn another_background_brings_the_picture_again() {
    let mut screen = Screen::with(Method::Sixel);
    let picture = screen.picture(1);
    let mut sent = Vec::new();
    for background in [Color::Reset, Color::Reset, Color::Blue] {
        let mut buffer = Buffer::empty(SCREEN);
        buffer.set_style(SCREEN, ratatui::style::Style::new().bg(background));
        let mut placements = Placements::new();
        assert!(placements.put(&picture, LEFT, &mut buffer));
        assert_eq!(buffer[(LEFT.x, LEFT.y)].bg, background);
        let mut out = Vec::new();
        screen.painter.paint(&mut out, placements).expect("paints");
        sent.push(!out.is_empty());
    }
    assert_eq!(sent, [true, false, true]);
}

#[test]
fn after_the_screen_was_cleared_everything_is_sent_again() {
    let mut screen = Screen::with(Method::Kitty);
    let (kept, other) = (screen.picture(1), screen.picture(2));
    screen.frame("", &[(&kept, LEFT), (&other, RIGHT)]);
    screen.painter.forget_shown();
    let again = screen.frame("", &[(&kept, LEFT)]);
    // A terminal that kept them is told to drop them first: nothing is left in its memory twice.
    assert_eq!(count(&again, "a=d,d=I"), 2);
    assert_eq!((count(&again, "a=t"), count(&again, "a=p,")), (1, 1));
    assert!(again.pictures.rfind("a=d,d=I") < again.pictures.find("a=t"));
    assert_eq!(screen.frame("", &[(&kept, LEFT)]).pictures, "");
}

#[test]
fn at_the_end_the_terminals_memory_is_as_it_was() {
    for (method, wrapping) in [(Method::Kitty, ""), (Method::KittyThroughTmux, "\x1bPtmux;\x1b")] {
        let mut screen = Screen::with(method);
        let (one, other) = (screen.picture(1), screen.picture(2));
        screen.frame("", &[(&one, LEFT)]);
        screen.frame("", &[(&other, LEFT)]);
        let mut out = Vec::new();
        screen.painter.leave(&mut out).expect("writes");
        let text = String::from_utf8(out).expect("text");
        assert_eq!(
            text.matches(&format!("{wrapping}\x1b_Ga=d,d=I")).count(),
            2,
            "{text:?}"
        );
        let mut out = Vec::new();
        screen.painter.leave(&mut out).expect("writes");
        assert!(out.is_empty());
    }
}

#[test]
fn an_error_means_that_everything_is_sent_again() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut screen = Screen::with(Method::Kitty);
    let picture = screen.picture(1);
    let mut placements = Placements::new();
    placements.put(&picture, LEFT, &mut Buffer::empty(SCREEN));
    assert!(screen.painter.paint(&mut Broken, placements).is_err());
    let again = screen.frame("", &[(&picture, LEFT)]);
    assert_eq!((count(&again, "a=t"), count(&again, "a=p,")), (1, 1));
}

#[test]
fn where_a_picture_has_no_room_the_cells_stay_the_views() {
    for method in [Method::Kitty, Method::Sixel, Method::Blocks(Colours::All)] {
        let screen = Screen::with(method);
        let picture = screen.picture(1);
        for area in [
            Rect::new(0, 0, 35, 18),
            Rect::new(0, 0, 36, 17),
            Rect::ZERO,
            // Out at the right, at the bottom, and on the last row.
            Rect::new(65, 0, 36, 18),
            Rect::new(0, 13, 36, 18),
            Rect::new(0, 12, 36, 18),
            Rect::new(u16::MAX - 40, u16::MAX - 20, 36, 18),
        ] {
            let mut placements = Placements::new();
            let mut buffer = Buffer::empty(SCREEN);
            assert!(!placements.put(&picture, area, &mut buffer), "{area}");
            assert_eq!(buffer, Buffer::empty(SCREEN));
        }
        let mut placements = Placements::new();
        assert!(placements.put(&picture, Rect::new(0, 11, 36, 18), &mut Buffer::empty(SCREEN)));
    }
}
