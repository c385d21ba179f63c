//! Every route, and from requests to the store and back.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::api_error::ApiError;
use crate::health::Probe;
use crate::model::{Deposit, NewUser, Receipt, User};
use crate::store::Store;

/// What every request may use.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) store: Arc<Store>,
    pub(crate) probe: Arc<Probe>,
}

pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/live", get(|| async { StatusCode::OK }))
        .route("/ready", get(ready))
        .route("/users", post(create_user))
        .route("/users/{id}", get(show_user))
        .route("/users/{id}/deposits", post(deposit))
        .fallback(|| async { ApiError::NO_ROUTE })
        .method_not_allowed_fallback(|| async { ApiError::WRONG_METHOD })
        .with_state(app)
}

async fn ready(State(app): State<App>) -> Response {
    app.probe.ready().await
}

#[derive(Deserialize)]
struct CreateUser {
    email: String,
    name: String,
}

#[derive(Serialize)]
struct Created {
    id: i64,
}

async fn create_user(
    State(app): State<App>,
    body: Result<Json<CreateUser>, JsonRejection>,
) -> Result<(StatusCode, Json<Created>), ApiError> {
    let Json(CreateUser { email, name }) = body?;
    let id = app.store.create_user(NewUser::new(&email, &name)?).await?;
    Ok((StatusCode::CREATED, Json(Created { id })))
}

async fn show_user(State(app): State<App>, id: Result<Path<i64>, PathRejection>) -> Result<Json<User>, ApiError> {
    let Path(id) = id?;
    Ok(Json(app.store.user(id).await?))
}

#[derive(Deserialize)]
struct MakeDeposit {
    currency: String,
    amount_minor: i64,
}

async fn deposit(
    State(app): State<App>,
    id: Result<Path<i64>, PathRejection>,
    body: Result<Json<MakeDeposit>, JsonRejection>,
) -> Result<(StatusCode, Json<Receipt>), ApiError> {
    let Path(id) = id?;
    let Json(MakeDeposit { currency, amount_minor }) = body?;
    let receipt = app.store.deposit(id, Deposit::new(&currency, amount_minor)?).await?;
    Ok((StatusCode::CREATED, Json(receipt)))
}
