//! Pictures made ready off the screen's thread: the newest that somebody waits for first, the rest as there is time.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use image::DynamicImage;
use parking_lot::Mutex;
use ratatui::layout::Size;

use crate::domain::picture;
use crate::graphics::{Canvas, circles, difference};
use crate::tui::mailbox::Mailbox;
use crate::tui::message::{Message, PaintKey, Subject};

/// Pictures that may wait: a large contact sheet and its neighbours. When more are wanted, the oldest is dropped.
const WAITING: usize = 512;

/// The work and who does it.
pub struct Painting {
    shared: Arc<Shared>,
}

struct Shared {
    mailbox: Mailbox,
    queue: Mutex<Queue>,
}

struct Queue {
    canvas: Canvas,
    jobs: VecDeque<Job>,
    workers: usize,
    most_workers: usize,
}

struct Job {
    key: PaintKey,
    bytes: Vec<Bytes>,
}

impl Painting {
    /// Nothing to do yet.
    pub fn new(mailbox: Mailbox) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            shared: Arc::new(Shared {
                mailbox,
                queue: Mutex::new(Queue {
                    canvas: Canvas::words_alone(),
                    jobs: VecDeque::new(),
                    workers: 0,
                    most_workers: processors.clamp(1, 2),
                }),
            }),
        }
    }

    /// Pictures are drawn like this from now on.
    pub fn set_canvas(&self, canvas: &Canvas) {
        self.shared.queue.lock().canvas = canvas.clone();
    }

    /// Nobody waits any more for what is not begun. There is no answer: whoever says so knows.
    pub fn drop_waiting(&self) {
        self.shared.queue.lock().jobs.clear();
    }

    /// Makes a picture ready; the answer is a message.
    pub fn paint(&self, key: PaintKey, bytes: Vec<Bytes>, is_wanted_now: bool) {
        let mut queue = self.shared.queue.lock();
        let job = Job { key, bytes };
        if is_wanted_now {
            queue.jobs.push_front(job);
        } else {
            queue.jobs.push_back(job);
        }
        if queue.jobs.len() > WAITING
            && let Some(dropped) = queue.jobs.pop_back()
        {
            self.shared.mailbox.post(Message::Painted {
                key: dropped.key,
                result: None,
            });
        }
        if queue.workers < queue.most_workers {
            queue.workers += 1;
            let shared = Arc::clone(&self.shared);
            tokio::task::spawn_blocking(move || shared.work());
        }
    }
}

/// Decodes what has passed the gate, and puts it together as it is to be seen.
fn compose(key: &PaintKey, bytes: &[Bytes]) -> Result<DynamicImage, String> {
    let decoded = |position: usize| {
        let bytes = bytes.get(position).ok_or("a picture is missing")?;
        picture::decode(bytes).map_err(|problem| format!("the picture {problem}"))
    };
    Ok(match key.subject {
        Subject::Picture(_) => decoded(0)?,
        Subject::Circles(_) => DynamicImage::ImageRgb8(circles(&decoded(0)?)),
        Subject::Difference(..) => DynamicImage::ImageRgb8(difference(&decoded(0)?, &decoded(1)?)),
    })
}

impl Shared {
    /// Works until there is nothing left.
    fn work(&self) {
        loop {
            let (canvas, job) = {
                let mut queue = self.queue.lock();
                let Some(job) = queue.jobs.pop_front() else {
                    queue.workers -= 1;
                    return;
                };
                (queue.canvas.clone(), job)
            };
            let (width, height) = job.key.within;
            // A decoder may panic on bytes that somebody has made for it.
            let drawn = catch_unwind(AssertUnwindSafe(|| {
                let composed = compose(&job.key, &job.bytes)?;
                canvas
                    .encode(&composed, Size { width, height })
                    .map(Arc::new)
                    .map_err(|error| error.to_string())
            }));
            let result = drawn.unwrap_or_else(|_| Err("the picture cannot be decoded".into()));
            self.mailbox.post(Message::Painted {
                key: job.key,
                result: Some(result),
            });
        }
    }
}
