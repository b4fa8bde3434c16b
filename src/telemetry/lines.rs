//! Log lines, gathered and written by a thread of their own: a line costs its sender no system call.
//!
//! Lines wait at most [`GATHER`]; a warning or an error takes everything before it along at once. More than [`WAITING_MAX`]
//! bytes make the sender wait: a line is never dropped. What waits is written at an orderly end and ahead of a panic's
//! message. Only a process that is killed loses its last fifth of a second of `info`.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long lines gather.
const GATHER: Duration = Duration::from_millis(200);
/// So many bytes may wait.
pub const WAITING_MAX: usize = 1 << 20;
/// How long a flush waits for a writer that is blocked: whoever reads the lines may be gone.
const FLUSH_WAIT: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Do not gather any longer.
    now: bool,
    /// The thread writes what it took.
    writing: bool,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Something waits.
    came: Condvar,
    /// Something was written.
    went: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, line: &[u8], now: bool) {
        let mut waiting = self.lock();
        while waiting.bytes.len() > WAITING_MAX {
            waiting = self.went.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let was_empty = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        let now = (now || waiting.bytes.len() > WAITING_MAX / 2) && !waiting.now;
        waiting.now |= now;
        drop(waiting);
        if was_empty || now {
            self.came.notify_one();
        }
    }

    /// Writes what waits, as long as the process lives.
    fn run(&self, mut out: impl Write) {
        let mut waiting = self.lock();
        loop {
            waiting =
                self.came.wait_while(waiting, |w| w.bytes.is_empty()).unwrap_or_else(PoisonError::into_inner);
            waiting = self
                .came
                .wait_timeout_while(waiting, GATHER, |w| !w.now)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            let bytes = std::mem::take(&mut waiting.bytes);
            (waiting.now, waiting.writing) = (false, true);
            drop(waiting);
            // Nobody may be there to read it; the hub goes on.
            let _ = out.write_all(&bytes).and_then(|()| out.flush());
            waiting = self.lock();
            waiting.writing = false;
            self.went.notify_all();
        }
    }

    fn flush(&self) {
        let mut waiting = self.lock();
        waiting.now = true;
        self.came.notify_one();
        let left = |w: &mut Waiting| w.writing || !w.bytes.is_empty();
        let waited = self.went.wait_timeout_while(waiting, FLUSH_WAIT, left);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

/// Makes a writer for each line.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

/// One line; it goes on its way when it is whole.
pub struct Line<'a> {
    shared: &'a Shared,
    bytes: Vec<u8>,
    now: bool,
}

impl Write for Line<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(buf);
        Ok(buf.len())
    }

    /// tracing-subscriber writes a line at once: it is handed on without another copy.
    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        if self.bytes.is_empty() && buf.ends_with(b"\n") {
            self.shared.put(buf, self.now);
        } else {
            self.bytes.extend_from_slice(buf);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.shared.put(&self.bytes, self.now);
        }
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { shared: &self.0, bytes: vec![], now: true }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Line<'a> {
        Line { shared: &self.0, bytes: vec![], now: *meta.level() <= Level::WARN }
    }
}

/// Writes what waits when it is dropped.
#[must_use = "lines that wait are written when it is dropped"]
pub struct Flush(Arc<Shared>);

impl Flush {
    /// From here on a panic's message stands behind the lines before it.
    pub fn at_panics(&self) {
        let shared = self.0.clone();
        let then = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            shared.flush();
            then(panic);
        }));
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        self.0.flush();
    }
}

/// Starts the thread that writes to `out`.
pub fn start<W: Write + 'static>(out: impl FnOnce() -> W + Send + 'static) -> io::Result<(Lines, Flush)> {
    let shared = Arc::new(Shared::default());
    let writer = shared.clone();
    std::thread::Builder::new().name("log".into()).spawn(move || writer.run(out()))?;
    Ok((Lines(shared.clone()), Flush(shared)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<Vec<u8>>>>);

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().concat()).unwrap()
        }
    }

    impl Write for Page {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(buf.to_vec());
            Ok(buf.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines() -> (Page, Lines, Flush) {
        let page = Page::default();
        let out = page.clone();
        let (lines, flush) = start(move || out).unwrap();
        (page, lines, flush)
    }

    #[test]
    fn lines_of_many_threads_stay_whole_and_none_is_lost_at_the_end() {
        let (page, lines, flush) = lines();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let lines = &lines;
                scope.spawn(move || {
                    for n in 0..5_000 {
                        let mut line = Line { shared: &lines.0, bytes: vec![], now: n % 1_000 == 999 };
                        match n % 2 {
                            0 => line.write_all(format!("{thread} {n} whole\n").as_bytes()).unwrap(),
                            _ => writeln!(line, "{thread} {n} whole").unwrap(),
                        }
                    }
                });
            }
        });
        drop(flush);
        let text = page.text();
        for thread in 0..4 {
            let own: Vec<&str> = text.lines().filter(|l| l.starts_with(&format!("{thread} "))).collect();
            assert!(own.iter().enumerate().all(|(n, line)| *line == format!("{thread} {n} whole")));
            assert_eq!(own.len(), 5_000);
        }
        assert!(page.0.lock().unwrap().len() < 1_000, "they were gathered");
    }

    #[test]
    fn who_writes_more_than_may_wait_waits_for_the_reader() {
        struct Slow(Page);
        impl Write for Slow {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                std::thread::sleep(Duration::from_millis(1));
                self.0.write(buf)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let page = Page::default();
        let out = page.clone();
        let (lines, flush) = start(move || Slow(out)).unwrap();
        let line = [&[b'x'; 1_023][..], b"\n"].concat();
        for _ in 0..4_096 {
            lines.0.put(&line, false);
            assert!(lines.0.lock().bytes.len() <= WAITING_MAX + line.len());
        }
        drop(flush);
        assert_eq!(page.text().len(), 4_096 * line.len());
    }
}
