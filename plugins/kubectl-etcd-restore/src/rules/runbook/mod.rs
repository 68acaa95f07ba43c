//! The recovery runbook of one cluster as Markdown.

pub mod after;
pub mod before;
pub mod block;
pub mod facts;
pub mod ladder;
pub mod text;
