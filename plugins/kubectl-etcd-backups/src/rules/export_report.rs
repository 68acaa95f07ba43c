//! What an export tells beside its objects: what it left out, what it changed, what it could not read.

use std::collections::BTreeMap;
use std::fmt::Write;

use runbook_kit::model::kubernetes::builtin;
use runbook_kit::model::kubernetes::for_apply::{LeftOut, Remark};
use runbook_kit::model::kubernetes::key::{ObjectKey, Origin};
use runbook_kit::model::units;

/// How many objects of a line are named.
const NAMED: usize = 3;
/// How many objects that could not be read are told one by one.
const TOLD: usize = 20;

/// Why an object is not in the export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Omitted {
    /// Secrets need to be asked for.
    Secret,
    /// API servers keep it for themselves.
    NotServed,
    /// It is not for applying.
    NotForApplying(LeftOut),
}

impl Omitted {
    fn text(self) -> String {
        match self {
            Self::Secret => "need --with-secrets".to_owned(),
            Self::NotServed => "kept by API servers for themselves".to_owned(),
            Self::NotForApplying(why) => why.to_string(),
        }
    }
}

/// Why an object is left out that was not even looked at.
pub fn omitted(key: &ObjectKey<'_>, with_secrets: bool) -> Option<Omitted> {
    match key.origin {
        Origin::Builtin(found) if !found.is_served() => Some(Omitted::NotServed),
        Origin::Builtin(_) if key.is("secrets") && !with_secrets => Some(Omitted::Secret),
        _ => None,
    }
}

/// Some objects of one resource.
#[derive(Clone, Debug, Default)]
struct Group {
    count: u64,
    names: Vec<String>,
}

/// What is to be told.
#[derive(Clone, Debug, Default)]
pub struct Report {
    omitted: BTreeMap<(String, Omitted), Group>,
    remarks: BTreeMap<(String, Remark), Group>,
    incomplete: Vec<String>,
    unreadable: u64,
    with_unknown_fields: u64,
    /// How many objects were exported.
    pub exported: u64,
    /// Whether all names are kept.
    all_names: bool,
}

impl Report {
    /// Nothing yet. With `all_names` every object is named.
    pub fn new(all_names: bool) -> Self {
        Self {
            all_names,
            ..Self::default()
        }
    }

    /// An object was left out.
    pub fn omit(&mut self, key: &ObjectKey<'_>, why: Omitted) {
        let group = self.omitted.entry((label(key), why)).or_default();
        group.add(key, self.all_names);
    }

    /// An object was exported with remarks.
    pub fn remark(&mut self, key: &ObjectKey<'_>, remarks: &[Remark]) {
        for remark in remarks {
            let group = self.remarks.entry((label(key), *remark)).or_default();
            group.add(key, self.all_names);
        }
    }

    /// An object was exported without fields that are not known.
    pub fn unknown(&mut self, key: &ObjectKey<'_>, fields: &[String]) {
        if fields.is_empty() {
            return;
        }
        self.with_unknown_fields += 1;
        self.tell(|| format!("{key} is not whole, not known: {}", fields.join(", ")));
    }

    /// An object could not be read.
    pub fn unreadable(&mut self, why: &str) {
        self.unreadable += 1;
        self.tell(|| why.to_owned());
    }

    fn tell(&mut self, text: impl FnOnce() -> String) {
        if self.all_names || self.incomplete.len() < TOLD {
            self.incomplete.push(text());
        }
    }

    /// What is missing in what was exported, one line each.
    pub fn warnings(&self) -> Vec<String> {
        let mut lines = self.incomplete.clone();
        let more = (self.unreadable + self.with_unknown_fields).saturating_sub(lines.len() as u64);
        if more > 0 {
            lines.push(format!("the same of {more} more: -v names them"));
        }
        lines
    }

    /// What was left out and changed, one line each.
    pub fn notes(&self) -> Vec<String> {
        let omitted = self
            .omitted
            .iter()
            .map(|((resource, why), group)| format!("left out {}", group.text(resource, &why.text())));
        let remarks = self
            .remarks
            .iter()
            .map(|((resource, remark), group)| format!("check {}", group.text(resource, &remark.to_string())));
        omitted.chain(remarks).collect()
    }

    /// Why the export is not all that was requested, if so.
    pub fn incomplete(&self) -> Option<String> {
        let parts = [
            (self.unreadable, "could not be read"),
            (self.with_unknown_fields, "have fields that are not known"),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{} {what}", units::counted(count, "object")))
            .collect();
        (!parts.is_empty()).then(|| format!("the export is not complete: {}", parts.join(", ")))
    }

    /// Whether Secrets are all that was left out.
    pub fn only_secrets_left_out(&self) -> bool {
        !self.omitted.is_empty() && self.omitted.keys().all(|(_, why)| *why == Omitted::Secret)
    }
}

fn label(key: &ObjectKey<'_>) -> String {
    builtin::label(key.resource, key.group).into_owned()
}

impl Group {
    fn add(&mut self, key: &ObjectKey<'_>, all: bool) {
        self.count += 1;
        if all || self.names.len() < NAMED {
            self.names.push(match key.namespace {
                Some(namespace) => format!("{namespace}/{}", key.name),
                None => key.name.to_string(),
            });
        }
    }

    /// `15 secrets, need --with-secrets: billing/s1, billing/s2, billing/s3, …`
    fn text(&self, resource: &str, why: &str) -> String {
        let mut text = format!("{} of {resource}: {why} ({}", self.count, self.names.join(", "));
        if self.count > self.names.len() as u64 {
            // A String takes everything.
            let _ = write!(text, " and {} more", self.count - self.names.len() as u64);
        }
        text + ")"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> ObjectKey<'_> {
        ObjectKey::parse(text.as_bytes())
    }

    #[test]
    fn what_is_told_is_grouped_and_sorted() {
        let mut report = Report::new(false);
        let secrets: Vec<String> = (1..=5).map(|n| format!("/registry/secrets/billing/s{n}")).collect();
        for secret in &secrets {
            report.omit(&key(secret), Omitted::Secret);
        }
        assert!(report.only_secrets_left_out());
        report.omit(
            &key("/registry/pods/shop/web-1"),
            Omitted::NotForApplying(LeftOut::MadeByOwner),
        );
        report.omit(
            &key("/registry/minions/i-1"),
            Omitted::NotForApplying(LeftOut::MadeByKubelet),
        );
        report.remark(
            &key("/registry/persistentvolumeclaims/shop/data"),
            &[Remark::VolumeLeftOut],
        );
        assert!(!report.only_secrets_left_out());
        assert_eq!(report.incomplete(), None);
        report.unknown(&key("/registry/pods/shop/web-2"), &[]);
        report.unknown(&key("/registry/pods/shop/web-2"), &["spec: field 99".to_owned()]);
        for n in 0..TOLD {
            report.unreadable(&format!("pods/shop/web-{n} is damaged"));
        }
        assert_eq!(report.warnings().len(), TOLD + 1);
        let told = [report.notes(), vec![report.incomplete().unwrap()], report.warnings()].concat();
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn secrets_and_what_no_api_serves_are_left_out() {
        for (text, with_secrets, expected) in [
            ("/registry/secrets/a/b", false, Some(Omitted::Secret)),
            ("/registry/secrets/a/b", true, None),
            ("/registry/masterleases/10.0.0.1", true, Some(Omitted::NotServed)),
            ("/registry/ranges/serviceips", true, Some(Omitted::NotServed)),
            ("/registry/configmaps/a/b", false, None),
            ("/registry/example.com/secrets/a/b", false, None),
        ] {
            assert_eq!(omitted(&key(text), with_secrets), expected, "{text}");
        }
    }
}
