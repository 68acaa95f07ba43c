//! Progress of a wipe, on the screen and in the journal.

use std::collections::BTreeMap;

use runbook_kit::cli::ui::Ui;
use runbook_kit::failure::{AnyFailure, Failure, chain};
use runbook_kit::model::fleet::wipe::Kind;

use crate::rules::steps::Resource;
use crate::usecases::apply::Progress;
use crate::usecases::journal::Journal;

/// Tells the user, and writes the journal.
pub struct JournaledProgress<'a> {
    pub ui: &'a Ui,
    pub names: BTreeMap<String, String>,
    pub journal: Journal<'a>,
}

impl JournaledProgress<'_> {
    /// Writes the failure into the journal, too.
    pub async fn failed(&mut self, failure: impl Failure) -> AnyFailure {
        self.journal.add(&chain(&failure));
        // The failure is reported even if the journal cannot be written.
        let _ = self.journal.save().await;
        failure.into()
    }
}

impl Progress for JournaledProgress<'_> {
    fn line(&mut self, resource: &Resource, what: &str, done: usize, of: usize) {
        let name = self
            .names
            .get(&resource.id)
            .filter(|_| resource.kind != Kind::AutoScalingGroup);
        let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
        let text = format!("{} {}{name}: {what}", resource.kind.word(), resource.id);
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

    async fn save(&mut self) -> Result<(), String> {
        self.journal.save().await
    }
}

/// Warns if the run is dropped before its end, as by Ctrl-C.
pub struct InterruptWarning<'a> {
    pub ui: &'a Ui,
    pub is_running: bool,
}

impl Drop for InterruptWarning<'_> {
    fn drop(&mut self) {
        if self.is_running {
            self.ui
                .warn("interrupted; AWS completes the requests it has received; repeat the command to resume");
        }
    }
}
