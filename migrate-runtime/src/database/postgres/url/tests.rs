use tokio_postgres::config::{ChannelBinding, Host, TargetSessionAttrs};

use super::*;

fn read(url: &str, environment: &[(&str, &str)]) -> Result<Parsed, Error> {
    let lookup =
        |name: &str| environment.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
    parse(url, &lookup)
}

fn hosts(config: &Config) -> Vec<String> {
    let host = |host: &Host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    };
    config.get_hosts().iter().map(host).collect()
}

#[track_caller]
fn check_refused(url: &str, message: &str) {
    let error = read(url, &[]).expect_err("the URL is refused");
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(error.to_string(), message);
    assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
}

#[test]
fn all_of_a_url() {
    let Parsed { config, tls } = read(
        "postgresql://a%40b:p%20w'%5C@db1:5433,[::1],db3/shop?sslmode=verify-full&sslrootcert=/ca%20s.pem&channel_binding=require\
         &target_session_attrs=read-write&connect_timeout=3&application_name=it's&keepalives_count=7&options=-c%20geqo=off",
        &[],
    )
    .unwrap();
    assert_eq!((config.get_user(), config.get_dbname()), (Some("a@b"), Some("shop")));
    assert_eq!(config.get_password(), Some(&b"p w'\\"[..]));
    assert_eq!(hosts(&config), ["db1", "::1", "db3"]);
    assert_eq!(config.get_ports(), [5433, 5432, 5432]);
    assert_eq!(config.get_channel_binding(), ChannelBinding::Require);
    assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(3)));
    assert_eq!((config.get_application_name(), config.get_options()), (Some("it's"), Some("-c geqo=off")));
    assert_eq!((config.get_keepalives_idle(), config.get_keepalives_retries()), (KEEPALIVES_IDLE, Some(7)));
    assert_eq!((tls.mode, tls.root_certificates), (Mode::VerifyFull, Some(PathBuf::from("/ca s.pem"))));
}

#[test]
fn unix_sockets() {
    for url in ["postgres://me@%2Fvar%2Frun/db?port=5433", "postgres://me@/db?host=/var/run&port=5433"] {
        let config = read(url, &[]).unwrap().config;
        assert_eq!((hosts(&config), config.get_ports()), (vec!["/var/run".to_owned()], &[5433][..]));
    }
}

#[test]
fn the_environment_fills_in_what_the_url_leaves_out() {
    let environment = [
        ("PGHOST", "other"),
        ("PGPORT", "6000"),
        ("PGUSER", "eve"),
        ("PGPASSWORD", "s"),
        ("PGDATABASE", "d"),
        ("PGSSLMODE", "require"),
        ("PGSSLROOTCERT", ""),
        ("PGCONNECT_TIMEOUT", "4"),
    ];
    let Parsed { config, tls } = read("postgres://", &environment).unwrap();
    assert_eq!((hosts(&config), config.get_ports()), (vec!["other".to_owned()], &[6000][..]));
    assert_eq!((config.get_user(), config.get_dbname()), (Some("eve"), Some("d")));
    assert_eq!((config.get_password(), tls.mode), (Some(&b"s"[..]), Mode::Require));
    assert_eq!((tls.root_certificates, config.get_connect_timeout()), (None, Some(&Duration::from_secs(4))));

    // As psql: without anything else, the user of this machine.
    let config = read("postgres://db", &[("USER", "me")]).unwrap().config;
    assert_eq!((config.get_user(), config.get_dbname()), (Some("me"), None));

    let Parsed { config, tls } = read("postgres://app:pw@db:1/shop?sslmode=disable", &environment).unwrap();
    assert_eq!((hosts(&config), config.get_ports()), (vec!["db".to_owned()], &[1][..]));
    assert_eq!((config.get_user(), config.get_password()), (Some("app"), Some(&b"pw"[..])));
    assert_eq!((config.get_dbname(), tls.mode), (Some("shop"), Mode::Disable));
}

#[test]
fn what_cannot_be_used_is_refused_without_its_password() {
    let more_than_one = "the PostgreSQL URL has an `@` where none can be";
    check_refused("postgres://app:geheim@x@host/db", more_than_one);
    check_refused("postgres://app:a/geheim@host/db", more_than_one);
    check_refused("postgres://app:a?geheim@host/db", more_than_one);
    check_refused("postgres://h/d?nosuch=geheim", "the PostgreSQL URL has an unknown parameter `nosuch`");
    check_refused("postgres://h/d?Geheim=x", "the PostgreSQL URL has a parameter that is none");
    check_refused("postgres://h/d?geheim", "a parameter of the PostgreSQL URL has no `=`");
    check_refused("postgres://h/d?sslmode=full", "`full` is no `sslmode`");
    let direct = "`sslnegotiation=direct` needs `sslmode=require` or stricter";
    check_refused("postgres://h/d?sslnegotiation=direct", direct);
    check_refused("postgres://h:port/d", "the PostgreSQL URL cannot be used: the port is no number up to 65535");
    check_refused("postgres://[::1/d", "the PostgreSQL URL has a `[` without a `]`");
    check_refused("postgres:app", "a PostgreSQL URL begins with `postgres://`");
    check_refused(
        "postgres://app:geheim@h/d?connect_timeout=soon",
        "the PostgreSQL URL cannot be used: invalid connection string: invalid value for option `connect_timeout`",
    );
}

#[cfg(unix)]
#[test]
fn passwords_come_from_the_pass_file_last() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".pgpass");
    std::fs::write(&path, "# ours\ndb:5433:shop:app:one\nlocalhost:*:*:app:two\nother:*:*:*:three\n").unwrap();
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o600);
    let home = folder.path().to_str().unwrap();
    let password = |url: &str, environment: &[(&str, &str)]| {
        let config = read(url, environment)?.config;
        Ok::<_, Error>(config.get_password().map(|password| String::from_utf8_lossy(password).into_owned()))
    };
    let of = |url: &str| password(url, &[("HOME", home)]).unwrap();
    assert_eq!(of("postgres://app@db:5433/shop").as_deref(), Some("one"));
    assert_eq!(of("postgres://app@db/shop"), None);
    assert_eq!(of("postgres://app@%2Fvar%2Frun%2Fpostgresql/x").as_deref(), Some("two"));
    assert_eq!(of("postgres://app:own@db:5433/shop").as_deref(), Some("own"));
    let error = password("postgres://app@db:5433,other:1/shop", &[("HOME", home)]).unwrap_err();
    assert!(error.to_string().contains("different passwords"), "{error}");

    let named = path.to_str().unwrap();
    assert_eq!(password("postgres://app@db:5433/shop", &[("PGPASSFILE", named)]).unwrap().as_deref(), Some("one"));
    let missing = password("postgres://app@db/shop?passfile=/nowhere/pass", &[]).unwrap_err();
    assert!(missing.to_string().contains("/nowhere/pass cannot be read"), "{missing}");

    mode(0o644);
    let error = password("postgres://app@db:5433/shop", &[("HOME", home)]).unwrap_err();
    assert_eq!(error.to_string(), format!("the pass file {named} can be read by other users (mode 644)"));
    assert_eq!(error.help(), Some(&*format!("run `chmod 600 {named}`")));
}
