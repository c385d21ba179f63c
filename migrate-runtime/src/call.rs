//! An operation on a database that has not begun yet: awaited, or waited for.

use std::pin::Pin;

use crate::backend::Backend;
use crate::database::Database;
use crate::error::Error;
use crate::options::Tables;

/// An operation on a database. `.await` it in async code, or call [`wait`](Self::wait) in any other; nothing happens
/// before.
#[derive(Debug)]
#[must_use = "nothing happens until it is awaited or `.wait()` is called"]
pub struct Call<'d, D, O> {
    database: &'d mut D,
    operation: O,
}

impl<'d, D: Database, O: Operation> Call<'d, D, O> {
    pub(crate) fn new(database: &'d mut D, operation: O) -> Self {
        Self { database, operation }
    }

    /// Runs the operation on the calling thread and returns when it has ended. SQLite needs no async runtime for this;
    /// for PostgreSQL one is made for the duration of the call.
    ///
    /// # Errors
    ///
    /// Those of the operation.
    pub fn wait(self) -> Result<O::Output, Error> {
        self.operation.tables().check()?;
        self.database.call_blocking(self.operation)
    }
}

impl<'d, D: Database, O: Operation> IntoFuture for Call<'d, D, O> {
    type Output = Result<O::Output, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'd>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.operation.tables().check()?;
            self.database.call(self.operation).await
        })
    }
}

/// Something to do with a database, whichever it is. Implemented by the engine only.
pub trait Operation: Send + 'static {
    /// What it gives.
    type Output: Send + 'static;

    /// The tables it works on.
    #[doc(hidden)]
    fn tables(&self) -> Tables;

    /// Does it.
    #[doc(hidden)]
    fn run<B: Backend>(self, backend: &mut B) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}
