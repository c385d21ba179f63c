//! How the client programs of PostgreSQL connect to the same database: by libpq's environment variables.

use std::ffi::OsString;

use tokio_postgres::config::Host;

use super::Postgres;

impl Postgres {
    /// The variables with their values. A password is among them, so none of it is shown.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let Self { config, tls_options, .. } = self;
        let hosts: Vec<String> = config
            .get_hosts()
            .iter()
            .map(|host| match host {
                Host::Tcp(name) => name.clone(),
                #[cfg(unix)]
                Host::Unix(path) => path.display().to_string(),
            })
            .collect();
        let ports: Vec<String> = config.get_ports().iter().map(ToString::to_string).collect();
        let addresses: Vec<String> = config.get_hostaddrs().iter().map(ToString::to_string).collect();
        let mut variables: Vec<(&str, OsString)> = vec![
            ("PGHOST", hosts.join(",").into()),
            ("PGDATABASE", self.name().into()),
            ("PGSSLMODE", tls_options.mode.word().into()),
            ("PGAPPNAME", "migrate".into()),
        ];
        let seconds = config.get_connect_timeout().map(|timeout| timeout.as_secs().max(2).to_string());
        let texts = [
            ("PGPORT", Some(ports.join(",")).filter(|ports| !ports.is_empty())),
            ("PGHOSTADDR", Some(addresses.join(",")).filter(|addresses| !addresses.is_empty())),
            ("PGUSER", config.get_user().map(str::to_owned)),
            ("PGOPTIONS", config.get_options().map(str::to_owned)),
            ("PGCONNECT_TIMEOUT", seconds),
        ];
        variables.extend(texts.into_iter().filter_map(|(name, text)| Some((name, text?.into()))));
        let files = [
            ("PGSSLROOTCERT", &tls_options.root_certificates),
            ("PGSSLCERT", &tls_options.certificate),
            ("PGSSLKEY", &tls_options.key),
        ];
        variables.extend(files.into_iter().filter_map(|(name, path)| Some((name, path.clone()?.into_os_string()))));
        variables.extend(config.get_password().map(|password| {
            #[cfg(unix)]
            let password = std::os::unix::ffi::OsStringExt::from_vec(password.to_vec());
            #[cfg(not(unix))]
            let password = String::from_utf8_lossy(password).into_owned().into();
            ("PGPASSWORD", password)
        }));
        variables
    }
}
