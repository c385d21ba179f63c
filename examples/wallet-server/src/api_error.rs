//! Failures as clients see them: a status, and `{"error": {"code", "message"}}`.

use std::borrow::Cow;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::console;
use crate::model::Invalid;
use crate::store::StoreError;

pub(crate) struct ApiError {
    status: StatusCode,
    /// For programs; stable.
    code: &'static str,
    /// For people.
    message: Cow<'static, str>,
}

impl ApiError {
    pub(crate) const NO_ROUTE: Self = Self::fixed(StatusCode::NOT_FOUND, "no_route", "there is nothing at this path");
    pub(crate) const WRONG_METHOD: Self =
        Self::fixed(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", "this path does not take this method");
    pub(crate) const UNREADABLE_DATABASE: Self =
        Self::fixed(StatusCode::SERVICE_UNAVAILABLE, "unreadable_database", "the database cannot be read");
    pub(crate) const SLOW_DATABASE: Self =
        Self::fixed(StatusCode::SERVICE_UNAVAILABLE, "slow_database", "the database did not answer in time");
    pub(crate) const NOT_REGISTERED: Self = Self::fixed(
        StatusCode::SERVICE_UNAVAILABLE,
        "not_registered",
        "this server does not count as running; its log says why",
    );
    const EMAIL_TAKEN: Self = Self::fixed(StatusCode::CONFLICT, "email_taken", "another user has this e-mail address");
    const NO_SUCH_USER: Self = Self::fixed(StatusCode::NOT_FOUND, "no_such_user", "there is no user of this number");
    const BALANCE_TOO_LARGE: Self =
        Self::fixed(StatusCode::UNPROCESSABLE_ENTITY, "balance_too_large", "the wallet would hold too much");
    const INTERNAL: Self =
        Self::fixed(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed; its log says why");

    const fn fixed(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message: Cow::Borrowed(message) }
    }
}

impl From<Invalid> for ApiError {
    fn from(Invalid(message): Invalid) -> Self {
        Self::fixed(StatusCode::UNPROCESSABLE_ENTITY, "invalid_input", message)
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        Self { status: rejection.status(), code: "invalid_body", message: rejection.body_text().into() }
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self { status: rejection.status(), code: "invalid_path", message: rejection.body_text().into() }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::EmailTaken => Self::EMAIL_TAKEN,
            StoreError::NoSuchUser => Self::NO_SUCH_USER,
            StoreError::BalanceTooLarge => Self::BALANCE_TOO_LARGE,
            // The database's words may hold data of other users: they are for the log only.
            StoreError::Database(_) => {
                console::complain(format_args!("error: {error}"));
                Self::INTERNAL
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Envelope {
            error: Body,
        }
        #[derive(Serialize)]
        struct Body {
            code: &'static str,
            message: Cow<'static, str>,
        }
        let error = Body { code: self.code, message: self.message };
        (self.status, Json(Envelope { error })).into_response()
    }
}
