//! The only place that prints: results to stdout, everything else to stderr.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::exit::Exit;
use crate::failure::{Failure, OutputError, chain};

/// When to colour verdicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Prints results and messages.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
    quiet: bool,
    verbose: bool,
    headers: bool,
}

/// What a word on the screen means; only this is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Good,
    /// It should be checked.
    Doubtful,
    /// It is bad.
    Bad,
    /// Neither good nor bad.
    Plain,
}

impl Verdict {
    /// The style of a word with this meaning.
    #[must_use]
    pub fn style(self) -> Style {
        match self {
            Self::Good => AnsiColor::Green.on_default(),
            Self::Doubtful => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Plain => Style::new(),
        }
    }

    /// `text` in this meaning's colour; the colour is dropped again where the output has none.
    #[must_use]
    pub fn paint(self, text: &str) -> String {
        let style = self.style();
        format!("{style}{text}{style:#}")
    }
}

impl Ui {
    /// From the flags `--quiet`, `--verbose` and `--color`.
    #[must_use]
    pub fn new(quiet: bool, verbose: bool, color: ColorWhen) -> Self {
        let choice = match color {
            ColorWhen::Auto => anstream::ColorChoice::Auto,
            ColorWhen::Always => anstream::ColorChoice::Always,
            ColorWhen::Never => anstream::ColorChoice::Never,
        };
        choice.write_global();
        Self {
            quiet,
            verbose,
            headers: true,
        }
    }

    /// The same with or without the head lines of tables: the flag `--no-headers`.
    #[must_use]
    pub const fn with_headers(self, headers: bool) -> Self {
        Self { headers, ..self }
    }

    /// Whether tables have a head line.
    #[must_use]
    pub const fn has_headers(&self) -> bool {
        self.headers
    }

    /// Prints a part of the result to stdout as it is.
    ///
    /// # Errors
    /// [`OutputError`] where stdout takes no more.
    pub fn result(&self, text: &str) -> Result<(), OutputError> {
        let mut out = AutoStream::auto(std::io::stdout().lock());
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// Prints bytes of the result to stdout, untouched.
    ///
    /// # Errors
    /// [`OutputError`] where stdout takes no more.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), OutputError> {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()?;
        Ok(())
    }

    /// Whether stdout is a terminal.
    #[must_use]
    pub fn result_is_seen(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// Prints a note to stderr, unless `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            print_stderr(text);
        }
    }

    /// Prints a warning to stderr, also with `--quiet`.
    pub fn warn(&self, text: &str) {
        print_stderr(&format!("{} {text}", Verdict::Doubtful.paint("warning:")));
    }

    /// Whether details are printed.
    #[must_use]
    pub const fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Prints a detail to stderr, with `--verbose` only.
    pub fn detail(&self, text: &str) {
        if self.verbose {
            print_stderr(text);
        }
    }

    /// Prints why the command failed, with its causes, and the hint.
    pub fn failure(&self, failure: &dyn Failure) {
        if failure.exit() == Exit::Done {
            return;
        }
        print_stderr(&format!("{} {}", Verdict::Bad.paint("error:"), chain(failure)));
        if let Some(hint) = failure.hint() {
            print_stderr(&format!("{}  {hint}", Verdict::Plain.paint("hint:")));
        }
    }

    /// The same for one of several things, when the others go on.
    pub fn failure_of(&self, thing: &str, failure: &dyn Failure) {
        print_stderr(&format!("{} {thing}: {}", Verdict::Bad.paint("error:"), chain(failure)));
    }

    /// A progress bar over `total` bytes; drawn on a terminal only, gone when dropped.
    #[must_use]
    pub fn bytes_progress(&self, label: &str, total: u64) -> Progress {
        let style = ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} eta {eta}");
        self.progress(label, total, style)
    }

    /// A progress bar over `total` things; drawn on a terminal only, gone when dropped.
    #[must_use]
    pub fn count_progress(&self, label: &str, total: u64) -> Progress {
        self.progress(
            label,
            total,
            ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len}"),
        )
    }

    fn progress(
        &self,
        label: &str,
        total: u64,
        style: Result<ProgressStyle, indicatif::style::TemplateError>,
    ) -> Progress {
        let shown = !self.quiet && std::io::stderr().is_terminal();
        let target = if shown {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(total), target).with_message(label.to_owned());
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        if shown {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Progress(bar)
    }
}

/// A progress bar that clears itself when it is dropped.
pub struct Progress(ProgressBar);

impl Progress {
    /// Moves it to `position`.
    pub fn set(&self, position: u64) {
        self.0.set_position(position);
    }

    /// Moves it on by one and names what is being done.
    pub fn step(&self, label: &str) {
        self.0.set_message(label.to_owned());
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A closed stderr is ignored.
fn print_stderr(text: &str) {
    let mut stderr = AutoStream::auto(std::io::stderr().lock());
    // In one piece: what another process, or our own stdout, writes meanwhile must not come between a line and its end.
    let _ = stderr.write_all(format!("{text}\n").as_bytes());
}
