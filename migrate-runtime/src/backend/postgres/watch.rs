//! Looking at a statement that takes long from a second connection: who blocks it, for how long it has waited in all, and
//! how far it has come.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use migrate_core::sql;
use tokio_postgres::SimpleQueryMessage;

use crate::database::postgres::{Connected, Postgres, Token};
use crate::error::Blocker;
use crate::observer::Progress;
use crate::stop::Stop;

/// An answer that comes within this time is not watched: most runs never open the second connection.
const PATIENCE: Duration = Duration::from_millis(250);

/// How often to look.
const INTERVAL: Duration = Duration::from_millis(100);

/// How many looks pass between two at the progress of an index.
const LOOKS_PER_PROGRESS: u32 = 5;

/// How long a look may take, connecting included.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait after a look that failed: a server without a free connection now may have one later.
const BLIND: Duration = Duration::from_secs(1);

/// A second connection for watching the first, made when it is first needed.
#[derive(Default)]
pub(super) struct Watch {
    connection: Option<Connected>,
}

/// What to watch.
#[derive(Clone, Copy)]
pub(super) struct Watched<'a> {
    pub(super) database: &'a Postgres,
    /// The process id of the backend that executes the statement.
    pub(super) process: i32,
    /// How long it may wait for locks in all; then it is cancelled.
    pub(super) budget: Option<Duration>,
    /// Whether to read the queries of those who block it.
    pub(super) queries: bool,
    /// What may stop it: then it is cancelled, too.
    pub(super) stop: &'a Stop,
    /// Whether it began behind a request to stop: then it is cancelled as well.
    pub(super) recalled: bool,
}

impl Watched<'_> {
    fn is_to_stop(&self) -> bool {
        self.recalled || self.stop.is_now()
    }
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Who blocked the statement when it was last seen waiting.
    pub(super) blockers: Vec<Blocker>,
    /// Whether it was cancelled because it had waited too long in all.
    pub(super) over_budget: bool,
    /// Whether it was to be cancelled because the run is to stop.
    pub(super) stopped: bool,
}

impl Watch {
    /// Waits for an answer, and watches as long as it does not come. While watching fails, nothing is seen and nothing
    /// cancelled.
    pub(super) async fn during<T>(
        &mut self,
        answer: impl Future<Output = T>,
        watched: Option<Watched<'_>>,
        tell: &mut (dyn FnMut(Progress) + Send),
    ) -> (T, Seen) {
        let mut seen = Seen::default();
        let Some(watched) = watched else {
            return (answer.await, seen);
        };
        let cancelling = AtomicBool::new(false);
        let answer = {
            let watching = pin!(self.watch(watched, &mut seen, tell, &cancelling));
            match select(pin!(answer), watching).await {
                Either::Left((answer, mut watching)) => {
                    // A cancel request that is still on its way would strike what comes next.
                    let settled = poll_fn(|context| {
                        let is_settled = !cancelling.load(Ordering::Relaxed)
                            || watching.as_mut().poll(context).is_ready()
                            || !cancelling.load(Ordering::Relaxed);
                        if is_settled { Poll::Ready(()) } else { Poll::Pending }
                    });
                    settled.await;
                    answer
                }
                Either::Right((never, _)) => match never {},
            }
        };
        (answer, seen)
    }

    /// Looks again and again.
    async fn watch(
        &mut self,
        watched: Watched<'_>,
        seen: &mut Seen,
        tell: &mut (dyn FnMut(Progress) + Send),
        cancelling: &AtomicBool,
    ) -> Infallible {
        tokio::time::sleep(PATIENCE).await;
        let mut waiting = Waiting { looked: Instant::now(), waited: Duration::ZERO };
        let mut looks = 0;
        loop {
            let pause = match self.look(watched, seen, &mut waiting, cancelling).await {
                Ok(()) => INTERVAL,
                Err(Unwatched) => BLIND,
            };
            if looks % LOOKS_PER_PROGRESS == 0
                && let Ok(rows) = self.ask(watched.database, &index_progress(watched.process)).await
            {
                rows.iter().filter_map(|row| progress(row)).for_each(&mut *tell);
            }
            looks += 1;
            tokio::time::sleep(pause).await;
        }
    }

    /// Sees whether the backend waits for a lock, and cancels its statement if it has waited too long or is to stop.
    async fn look(
        &mut self,
        watched: Watched<'_>,
        seen: &mut Seen,
        waiting: &mut Waiting,
        cancelling: &AtomicBool,
    ) -> Result<(), Unwatched> {
        let rows = self.ask(watched.database, &look(watched)).await?;
        let waits = rows.first().is_some_and(|row| row[0].as_deref() == Some("t"));
        let since_last_look = std::mem::replace(&mut waiting.looked, Instant::now()).elapsed();
        if waits {
            seen.blockers = rows.iter().filter_map(|row| blocker(row, watched.queries)).collect();
            waiting.waited += since_last_look;
        }
        let since = rows.first().and_then(|row| row[6].as_deref());
        let over_budget = waits && watched.budget.is_some_and(|budget| waiting.waited > budget);
        // Again at each look: a request that arrives between two messages is lost.
        if let (true, Some(since)) = (over_budget || watched.is_to_stop(), since) {
            seen.over_budget |= over_budget;
            cancelling.store(true, Ordering::Relaxed);
            let cancelled = self.ask(watched.database, &cancel(watched.process, since, !watched.is_to_stop())).await;
            cancelling.store(false, Ordering::Relaxed);
            cancelled?;
        }
        Ok(())
    }

    /// Asks the server over the second connection, which is made anew after a failure.
    async fn ask(&mut self, database: &Postgres, sql: &str) -> Result<Vec<Vec<Option<String>>>, Unwatched> {
        tokio::time::timeout(LOOK_TIMEOUT, self.ask_patiently(database, sql)).await.unwrap_or(Err(Unwatched))
    }

    async fn ask_patiently(&mut self, database: &Postgres, sql: &str) -> Result<Vec<Vec<Option<String>>>, Unwatched> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => database.connect(&Token::new()).await.map_err(|_| Unwatched)?,
        };
        let answer = connection.client.simple_query(sql).await.map_err(|_| Unwatched)?;
        self.connection = Some(connection);
        let row = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
            }
            _ => None,
        };
        Ok(answer.iter().filter_map(row).collect())
    }

    pub(super) async fn close(self) {
        if let Some(connection) = self.connection {
            connection.close().await;
        }
    }
}

/// How long a statement has waited for locks in all, as far as it was seen: a look that finds it waiting stands for the time
/// since the last one.
struct Waiting {
    looked: Instant,
    waited: Duration,
}

/// The second connection could not be made, was lost, or gave no answer in time.
struct Unwatched;

/// Whether the backend waits for a lock, and a row for each session that holds it. What this role may not see is NULL.
fn look(watched: Watched<'_>) -> String {
    format!(
        "SELECT s.wait_event_type = 'Lock', b.pid, a.application_name, a.state,
                floor(extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start))::bigint, a.query,
                s.query_start::text
         FROM pg_catalog.pg_stat_activity s
         LEFT JOIN LATERAL unnest(CASE WHEN s.wait_event_type = 'Lock' THEN pg_catalog.pg_blocking_pids(s.pid) END)
             b(pid) ON true
         LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
         WHERE s.pid = {}",
        watched.process
    )
}

/// Cancels the message that began at a time, if it is still being executed, and with `waits` only if it still waits for a
/// lock: the next one that the backend executes may be another step, or the end of the run.
fn cancel(process: i32, since: &str, waits: bool) -> String {
    let waits = if waits { " AND wait_event_type = 'Lock'" } else { "" };
    format!(
        "SELECT pg_catalog.pg_cancel_backend(pid) FROM pg_catalog.pg_stat_activity
         WHERE pid = {process} AND state = 'active' AND query_start = '{since}'{waits}"
    )
}

fn blocker(row: &[Option<String>], queries: bool) -> Option<Blocker> {
    Some(Blocker {
        process: row[1].as_deref()?.parse().ok()?,
        application: row[2].clone().unwrap_or_default(),
        state: row[3].clone().unwrap_or_default(),
        transaction_seconds: row[4].as_deref().and_then(|seconds| seconds.parse().ok()),
        query: row[5].as_deref().filter(|query| queries && !query.is_empty()).map(sql::excerpt),
    })
}

/// How far the build of an index has come. Blocks count as long as there are any.
fn index_progress(process: i32) -> String {
    format!(
        "SELECT phase, CASE WHEN blocks_total > 0 THEN blocks_done ELSE tuples_done END,
                CASE WHEN blocks_total > 0 THEN blocks_total ELSE tuples_total END
         FROM pg_catalog.pg_stat_progress_create_index WHERE pid = {process}"
    )
}

fn progress(row: &[Option<String>]) -> Option<Progress> {
    let number = |column: usize| row[column].as_deref().and_then(|text| text.parse().ok()).unwrap_or(0);
    Some(Progress { phase: row[0].clone()?, done: number(1), total: number(2) })
}
