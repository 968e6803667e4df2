//! A publisher for what mostly need not be published.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{PublishError, PublishSettings, Publisher};
use crate::connection::Connection;

/// Makes a publisher when there is something to publish, and another one after it has failed for good.
pub struct LazyPublisher {
    connection: Connection,
    settings: PublishSettings,
    made: Mutex<Option<Arc<Publisher>>>,
}

impl LazyPublisher {
    /// For this connection. Nothing is opened yet.
    #[must_use]
    pub fn new(connection: Connection, settings: PublishSettings) -> Self {
        Self { connection, settings, made: Mutex::default() }
    }

    /// The publisher, made if there is none.
    ///
    /// # Errors
    /// If the connection's options are wrong.
    pub fn get(&self) -> Result<Arc<Publisher>, PublishError> {
        let mut made = self.lock();
        if let Some(publisher) = &*made {
            return Ok(Arc::clone(publisher));
        }
        let publisher = Arc::new(Publisher::new(&self.connection, &self.settings)?);
        *made = Some(Arc::clone(&publisher));
        Ok(publisher)
    }

    /// Forgets a publisher that failed for good: only a new one can go on.
    pub fn discard_if_fatal(&self, publisher: &Arc<Publisher>) {
        if publisher.fatal_error().is_some() {
            self.discard(publisher);
        }
    }

    /// Forgets a publisher. One that came in its place meanwhile stays.
    pub fn discard(&self, publisher: &Arc<Publisher>) {
        let mut made = self.lock();
        made.take_if(|made| Arc::ptr_eq(made, publisher));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Publisher>>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
