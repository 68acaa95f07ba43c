//! What is told while a wipe is carried out.

use std::collections::BTreeMap;

use runbook_kit::cli::ui::Ui;
use runbook_kit::model::fleet::wipe::Kind;

use crate::rules::steps::Thing;
use crate::usecases::apply::Record;
use crate::usecases::journal::Journal;

/// Tells the user and the journal.
pub struct Screen<'a> {
    pub ui: &'a Ui,
    pub names: BTreeMap<String, String>,
    pub journal: Journal<'a>,
}

impl Record for Screen<'_> {
    fn line(&mut self, thing: &Thing, what: &str, done: usize, of: usize) {
        let name = self
            .names
            .get(&thing.id)
            .filter(|_| thing.kind != Kind::AutoScalingGroup);
        let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
        let text = format!("{} {}{name}: {what}", thing.kind.word(), thing.id);
        let count = match of {
            0 => String::new(),
            _ => format!("[{done}/{of}] "),
        };
        self.ui.note(&format!("{count}{text}"));
        self.journal.add(&text);
    }

    fn note(&mut self, text: &str) {
        self.ui.note(text);
        self.journal.add(text);
    }

    async fn keep(&mut self) -> Result<(), String> {
        self.journal.keep().await
    }
}

/// Speaks where the run is dropped in the middle, by Ctrl-C.
pub struct Interrupted<'a> {
    pub ui: &'a Ui,
    pub armed: bool,
}

impl Drop for Interrupted<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.ui.warn(
                "interrupted in the middle; AWS goes on with what it was asked; the same command goes on with the rest",
            );
        }
    }
}
