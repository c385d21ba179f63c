//! Single messages beside the engine, to scratch databases and the server that they are made on.

use tokio_postgres::SimpleQueryMessage;

use super::{Postgres, Token, block_on};
use crate::backend::postgres::plain_error;
use crate::error::Error;

impl Postgres {
    /// Another database of the same server.
    pub(crate) fn sibling(&self, name: &str) -> Self {
        let mut config = self.config.clone();
        config.dbname(name);
        Self { config, direct: None, ..self.clone() }
    }

    /// The role to connect as, if one is named.
    pub(crate) fn user(&self) -> Option<&str> {
        self.config.get_user()
    }

    /// Sends one message over a connection of its own; gives the first column of the rows that come back. An error says
    /// `what` and the server's words.
    pub(crate) fn ask(&self, what: &str, sql: &str) -> Result<Vec<String>, Error> {
        let rows = self.ask_rows(what, sql)?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
    }

    /// The same with every column.
    pub(crate) fn ask_rows(&self, what: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
        block_on(async {
            let connected = self.connect(&Token::new()).await?;
            let answer = connected.client.simple_query(sql).await;
            connected.close().await;
            let answer = answer.map_err(|error| plain_error(what, &error))?;
            let row = |message: &SimpleQueryMessage| match message {
                SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
                _ => None,
            };
            Ok(answer.iter().filter_map(row).collect())
        })
    }
}
