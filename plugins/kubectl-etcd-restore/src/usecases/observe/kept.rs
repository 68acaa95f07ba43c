//! A connection that is kept between observations.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An open connection, if any.
pub struct Kept<T: ?Sized>(Mutex<Option<Arc<T>>>);

impl<T: ?Sized> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: ?Sized> Kept<T> {
    /// Takes it out, to ask over it: who asks before it is kept again connects anew, and does not wait for it.
    pub fn take(&self) -> Option<Arc<T>> {
        self.lock().take()
    }

    /// Keeps it, since it has answered.
    pub fn keep(&self, connection: Arc<T>) {
        *self.lock() = Some(connection);
    }

    /// The same connection for another request.
    pub fn get(&self) -> Option<Arc<T>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
