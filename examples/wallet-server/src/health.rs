//! Whether this server can work with its database, asked anew for every request.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use migrate_runtime::{AnyDatabase, Assessment, Error, Instance, Migrator, Reason, Verdict};
use serde::Serialize;

use crate::api_error::ApiError;
use crate::{MIGRATIONS, console};

/// Probes are asked every few seconds; an answer that comes later is of no use.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the database, over a connection of its own, so that requests in progress do not delay it.
pub(crate) struct Probe {
    migrator: Migrator,
    database_url: String,
    instance: Arc<Instance>,
}

impl Probe {
    pub(crate) fn new(database_url: &str, instance: Arc<Instance>) -> Self {
        Self { migrator: Migrator::new(&MIGRATIONS), database_url: database_url.to_owned(), instance }
    }

    /// 200 when the schema is what this server needs; 503 with the reasons otherwise. Also while it does not count as
    /// running: nobody would wait for it before a step that breaks it.
    pub(crate) async fn ready(&self) -> Response {
        match tokio::time::timeout(PATIENCE, self.check()).await {
            Ok(Ok(assessment)) => match self.instance.failure().filter(|_| assessment.verdict == Verdict::Compatible) {
                Some(error) => {
                    console::complain(format_args!("readiness: {error}"));
                    ApiError::NOT_REGISTERED.into_response()
                }
                None => answer(&assessment),
            },
            Ok(Err(error)) => {
                console::complain(format_args!("readiness: {error}"));
                ApiError::UNREADABLE_DATABASE.into_response()
            }
            Err(_) => ApiError::SLOW_DATABASE.into_response(),
        }
    }

    async fn check(&self) -> Result<Assessment, Error> {
        // Names the database only; `check` opens the connection and closes it.
        let mut database = AnyDatabase::from_url(&self.database_url)?;
        self.migrator.check(&mut database).await
    }
}

/// The body of `GET /ready`.
#[derive(Serialize)]
struct Readiness<'a> {
    verdict: &'static str,
    database_version: Option<String>,
    runtime_version: Option<String>,
    /// Whether a run is at work in the database at this moment.
    migrating: bool,
    reasons: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct Finding<'a> {
    code: &'static str,
    version: Option<String>,
    message: &'a str,
    remedy: Option<&'a str>,
}

fn answer(assessment: &Assessment) -> Response {
    let status = match assessment.verdict {
        Verdict::Compatible => StatusCode::OK,
        Verdict::NeedsMigration | Verdict::Incompatible => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = Readiness {
        verdict: assessment.verdict.as_str(),
        database_version: assessment.database_version.map(|version| version.to_string()),
        runtime_version: assessment.runtime_version.as_ref().map(ToString::to_string),
        migrating: assessment.migrating.is_some(),
        reasons: assessment.reasons.iter().map(finding).collect(),
    };
    (status, Json(body)).into_response()
}

fn finding(reason: &Reason) -> Finding<'_> {
    Finding {
        code: reason.code.as_str(),
        version: reason.version.map(|version| version.to_string()),
        message: &reason.message,
        remedy: reason.remedy.as_deref(),
    }
}
