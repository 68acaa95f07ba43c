//! DOC

pub mod after;
pub mod before;
pub mod block;
pub mod facts;
pub mod text;
