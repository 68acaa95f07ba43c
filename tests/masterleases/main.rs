//! `kubectl masterleases` against real etcds with TLS and client certificates, on keys that the tests write.

mod bad_input;
mod help;
mod judge;
mod midway;
mod races;
mod stand;
mod undo;
