//! Where exported objects go: to stdout, one after the other, or into a folder, one file each.

use std::path::Path;

use runbook_kit::failure::AnyFailure;
use runbook_kit::model::backup::contents::export::{Form, Written};
use runbook_kit::model::kubernetes::for_apply::Stage;
use runbook_kit::model::kubernetes::key::ObjectKey;

use crate::context::{Context, NewFolder};
use crate::rules::object_file;
use crate::usecases::export::find::Found;
use crate::usecases::export::write::Chunk;

/// `v1` List, as kubectl prints one, with an object a line.
const LIST_HEAD: &[u8] = b"{\"apiVersion\":\"v1\",\"items\":[\n";
const LIST_TAIL: &[u8] = b"\n],\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"\"}}\n";

pub enum Target {
    Stdout { form: Form, begun: bool },
    Folder { new: NewFolder, form: Form, staged: bool },
}

impl Target {
    /// Begins. With `staged` files are in folders that are applied in their order.
    pub fn open(folder: Option<&Path>, form: Form, staged: bool) -> Result<Self, AnyFailure> {
        Ok(match folder {
            None => Self::Stdout { form, begun: false },
            Some(folder) => Self::Folder {
                new: NewFolder::create(folder)?,
                form,
                staged,
            },
        })
    }

    /// What stands before each object. Before the first one it is dropped.
    pub fn before(&self) -> &'static [u8] {
        match self {
            Self::Stdout { form: Form::Yaml, .. } => b"---\n",
            Self::Stdout {
                form: Form::JsonLine, ..
            } => b",\n",
            _ => b"",
        }
    }

    /// What stands after each object.
    pub fn after(&self) -> &'static [u8] {
        match self {
            Self::Stdout { form, .. } | Self::Folder { form, .. } => match form {
                Form::Json | Form::Name => b"\n",
                Form::Yaml | Form::JsonLine => b"",
            },
        }
    }

    /// Takes some objects.
    pub fn take(&mut self, found: &Found, chunk: &Chunk, context: &Context) -> Result<(), AnyFailure> {
        let before = self.before().len();
        match self {
            Self::Stdout { .. } if chunk.text.is_empty() => {}
            Self::Stdout { begun: true, .. } => context.ui.raw(&chunk.text)?,
            Self::Stdout { form, begun } => {
                *begun = true;
                if *form == Form::JsonLine {
                    context.ui.raw(LIST_HEAD)?;
                }
                context.ui.raw(chunk.text.get(before..).unwrap_or_default())?;
            }
            Self::Folder { new, form, staged } => {
                let keys = &found.opened.content().keys;
                let ending = if *form == Form::Yaml { "yaml" } else { "json" };
                for object in &chunk.objects {
                    let (Some(live), Ok(Written::Whole { .. })) = (keys.get(object.index), &object.written) else {
                        continue;
                    };
                    let key = ObjectKey::parse(&live.key);
                    let stage = staged.then(|| Stage::of(&key));
                    let text = chunk.text.get(object.text.clone()).unwrap_or_default();
                    new.add(&object_file::path(&key, stage, ending), text)?;
                }
            }
        }
        Ok(())
    }

    /// Ends: a folder appears now.
    pub fn finish(self, context: &Context) -> Result<(), AnyFailure> {
        match self {
            Self::Stdout {
                form: Form::JsonLine,
                begun,
            } => {
                if !begun {
                    context.ui.raw(LIST_HEAD)?;
                }
                context.ui.raw(LIST_TAIL)?;
            }
            Self::Stdout { .. } => {}
            Self::Folder { new, .. } => new.finish()?,
        }
        Ok(())
    }
}
