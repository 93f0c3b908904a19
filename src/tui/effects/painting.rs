//! Pictures made ready off the screen's thread: the newest that somebody waits for first, the rest as there is time.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use ratatui::layout::Size;

use crate::domain::picture;
use crate::graphics::Canvas;
use crate::tui::mailbox::Mailbox;
use crate::tui::message::{Message, PaintKey};

/// Pictures that may wait. When more are wanted, the oldest is dropped: the cursor has long left it.
const WAITING: usize = 16;

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
    bytes: Bytes,
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

    /// Makes a picture ready; the answer is a message.
    pub fn paint(&self, key: PaintKey, bytes: Bytes, is_wanted_now: bool) {
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
                let decoded =
                    picture::decode(&job.bytes).map_err(|problem| format!("the picture {problem}"))?;
                canvas
                    .encode(&decoded, Size { width, height })
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
