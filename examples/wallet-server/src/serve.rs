//! The life of the server: schema, store, listener, and an orderly end.

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::console;
use crate::failure::Failure;
use crate::health::Probe;
use crate::routes::{self, App};
use crate::schema::Schema;
use crate::store::Store;

/// Runs the server until it is told to stop.
pub(crate) fn run(config: &Config) -> Result<(), Failure> {
    tokio::runtime::Runtime::new().map_err(Failure::System)?.block_on(serve(config))
}

async fn serve(config: &Config) -> Result<(), Failure> {
    let schema = Schema::bring_up_to_date(config).await.map_err(Failure::Schema)?;
    let store = Store::open(&config.database_url).await.map_err(Failure::Store)?;
    let probe = Probe::new(&config.database_url, schema.instance());
    let app = App { store: Arc::new(store), probe: Arc::new(probe) };

    // Before anybody can learn the address: a signal that comes right after it is already heard.
    let stop = Stop::listen().map_err(Failure::System)?;
    let (listener, address) =
        bind(&config.listen).await.map_err(|error| Failure::Listen(config.listen.clone(), error))?;
    console::say(format_args!("listening on http://{address}"));

    axum::serve(listener, routes::router(app)).with_graceful_shutdown(stop.wait()).await.map_err(Failure::System)?;
    schema.let_go().await;
    console::say("stopped");
    Ok(())
}

async fn bind(address: &str) -> io::Result<(TcpListener, std::net::SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

/// The signals that end the server: SIGINT and SIGTERM.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
