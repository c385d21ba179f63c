//! Two real versions of a server on one database, under a client's steady load: expand, deploy, backfill, contract, the
//! image rolled back, and forward again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use system_tests::field::{sqlite, until};
use system_tests::{program, root};
use testkit::postgres;
use testkit::process::{Output, run};

/// How many requests must have been answered under each state of affairs.
const ENOUGH: usize = 30;

/// The database of a test, and another way into it.
enum Ground {
    Sqlite(tempfile::TempDir),
    Postgres(postgres::Database),
}

impl Ground {
    fn url(&self) -> String {
        match self {
            Self::Sqlite(place) => format!("sqlite:{}", place.path().join("wallet.db").display()),
            Self::Postgres(database) => database.url(),
        }
    }

    /// The option that names a role of an application, where there are roles.
    fn application_role(&self) -> String {
        match self {
            Self::Sqlite(_) => String::new(),
            Self::Postgres(database) => {
                let role = format!("{}_app", database.name());
                database.psql(&format!("CREATE ROLE \"{role}\""));
                format!("--application-role {role}")
            }
        }
    }

    /// The rights of that role on the ledger and on the instances.
    fn assert_granted(&self) {
        if let Self::Postgres(database) = self {
            let role = format!("{}_app", database.name());
            let may = |table: &str, right: &str| {
                database.psql(&format!("SELECT has_table_privilege('{role}', '{table}', '{right}')"))
            };
            assert_eq!(may("schema_migrations_v2", "SELECT"), "t");
            assert_eq!(may("schema_migrations_v2", "UPDATE"), "f");
            assert_eq!(may("schema_migrations_v2_instances", "INSERT"), "t");
        }
    }

    fn value(&self, sql: &str) -> String {
        match self {
            Self::Sqlite(place) => sqlite(&place.path().join("wallet.db"), sql),
            Self::Postgres(database) => database.psql(sql),
        }
    }
}

/// The programs of the story, and the migrations of the release that nobody runs yet.
struct Releases {
    old: PathBuf,
    new: PathBuf,
    migrate: PathBuf,
    url: String,
}

impl Releases {
    fn new(ground: &Ground) -> Self {
        let of = |name| program("wallet-server", name);
        let (old, new) = (of("wallet-server"), of("wallet-server-next"));
        Self { old, new, migrate: program("migrate-cli", "migrate"), url: ground.url() }
    }

    fn command(&self, program: &PathBuf, line: &str) -> Command {
        let mut command = Command::new(program);
        command.args(line.split_whitespace()).env("DATABASE_URL", &self.url).env("LISTEN", "127.0.0.1:0");
        command
    }

    /// A command over the migrations of release 0.3.0, as its pipeline runs it.
    #[track_caller]
    fn pipeline(&self, line: &str) -> String {
        done(&run(&mut self.of_pipeline(line)))
    }

    fn of_pipeline(&self, line: &str) -> Command {
        let mut command = self.command(&self.migrate, line);
        command.arg("--dir").arg(root().join("examples/wallet-server/releases/0.3.0"));
        command
    }
}

#[track_caller]
fn done(output: &Output) -> String {
    assert_eq!(output.code, 0, "{output:?}");
    output.stdout.clone()
}

/// A server that listens.
struct Server {
    child: Mutex<Child>,
    _stdout: BufReader<ChildStdout>,
    address: String,
}

impl Server {
    /// Starts it, and returns when it listens.
    #[track_caller]
    fn start(releases: &Releases, program: &PathBuf) -> Arc<Self> {
        let mut command = releases.command(program, "");
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the server can be started");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let address = loop {
            let mut line = String::new();
            if stdout.read_line(&mut line).expect("the server writes text") == 0 {
                break None;
            }
            if let Some(address) = line.trim_end().strip_prefix("listening on http://") {
                break Some(address.to_owned());
            }
        };
        let Some(address) = address else {
            let output = child.wait_with_output().expect("the server can be waited for");
            panic!("the server did not start: {}", String::from_utf8_lossy(&output.stderr));
        };
        Arc::new(Self { address, child: Mutex::new(child), _stdout: stdout })
    }

    /// Status and body of one request.
    fn request(&self, method: &str, path: &str, body: &str) -> Result<(u16, String), String> {
        let answer = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(&self.address)?;
            let (address, length) = (&self.address, body.len());
            write!(
                stream,
                "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
                 Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            )?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        };
        let text = answer().map_err(|error| format!("{method} {path}: {error}"))?;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.map(|status| (status, body.to_owned())).ok_or_else(|| format!("{method} {path}: {text:?}"))
    }

    fn is_ready(&self) -> bool {
        self.request("GET", "/ready", "").is_ok_and(|(status, _)| status == 200)
    }

    /// Tells it to end, as an orchestrator does once no request goes to it any more.
    fn stop(&self) {
        let mut child = self.child.lock().expect("nobody panicked with it");
        assert_eq!(run(Command::new("kill").args(["-TERM", &child.id().to_string()])).code, 0);
        assert!(child.wait().expect("it is our child").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            // Fails when it has ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Who gets the requests, and what became of them.
#[derive(Default)]
struct Balancer {
    /// Held for reading by each request, so that a server that was taken out has none left.
    servers: RwLock<Vec<Arc<Server>>>,
    users: AtomicUsize,
    rounds: AtomicUsize,
    failures: Mutex<Vec<String>>,
    over: AtomicBool,
}

impl Balancer {
    /// From now on these get the requests; those that got them before are told to end if they are not among them.
    fn serve_with(&self, servers: &[&Arc<Server>]) {
        let before = self.switch_to(servers);
        for server in before.iter().filter(|server| servers.iter().all(|other| !Arc::ptr_eq(server, other))) {
            server.stop();
        }
        self.sees_enough();
    }

    /// From now on these get the requests; gives those that got them before, which have none left.
    fn switch_to(&self, servers: &[&Arc<Server>]) -> Vec<Arc<Server>> {
        let after = servers.iter().map(|server| Arc::clone(server)).collect();
        std::mem::replace(&mut *self.servers.write().expect("no client panics"), after)
    }

    /// Waits for requests that began after everything that happened so far.
    fn sees_enough(&self) {
        let before = self.rounds.load(Ordering::SeqCst);
        until("the clients to go on", || {
            let failures = self.failures.lock().expect("no client panics");
            assert!(failures.is_empty(), "{failures:?}");
            self.rounds.load(Ordering::SeqCst) >= before + ENOUGH
        });
    }

    /// A client: signs up, pays in, looks at what is there. Each request goes to the next server.
    fn client(&self, number: usize) {
        while !self.over.load(Ordering::SeqCst) {
            if let Err(failure) = self.round(number) {
                self.failures.lock().expect("no client panics").push(failure);
                return;
            }
            self.rounds.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn round(&self, number: usize) -> Result<(), String> {
        let user = self.users.fetch_add(1, Ordering::SeqCst);
        let name = format!("User {user} of {number}");
        let body = format!(r#"{{"email": "u{user}@example.org", "name": "{name}"}}"#);
        let created = self.request(user, "POST", "/users", &body, 201)?;
        let id = created.trim_start_matches(r#"{"id":"#).trim_end_matches('}').to_owned();
        let deposit = r#"{"amount_minor": 7, "currency": "EUR"}"#;
        self.request(user + 1, "POST", &format!("/users/{id}/deposits"), deposit, 201)?;
        // Also somebody who signed up long ago, with another version of the server.
        let shown = [
            self.request(user, "GET", "/users/1", "", 200)?,
            self.request(user + 1, "GET", &format!("/users/{id}"), "", 200)?,
        ];
        let expected = [
            r#""name":"The first""#.to_owned(),
            format!(r#""name":"{name}","wallets":[{{"currency":"EUR","balance_minor":7}}]"#),
        ];
        for (shown, expected) in shown.iter().zip(&expected) {
            if !shown.contains(expected) {
                return Err(format!("{shown} without {expected}"));
            }
        }
        Ok(())
    }

    fn request(&self, turn: usize, method: &str, path: &str, body: &str, expected: u16) -> Result<String, String> {
        let servers = self.servers.read().expect("no client panics");
        let (status, answer) = servers[turn % servers.len()].request(method, path, body)?;
        if status == expected { Ok(answer) } else { Err(format!("{method} {path}: {status} {answer}")) }
    }
}

/// A start that is refused says which version is needed, and since which migration.
#[track_caller]
fn refuses_to_start(releases: &Releases) {
    let Output { code, stderr, .. } = run(&mut releases.command(&releases.old, ""));
    assert_eq!(code, 2, "{stderr}");
    let why = "migration 2.0.0 needs version 0.2.0 or newer of this program, and this is 0.1.0";
    assert!(stderr.contains(why) && stderr.contains("hint: deploy that version"), "{stderr}");
    let check = run(&mut releases.command(&releases.old, "migrate check"));
    assert_eq!(check.code, 2, "{check:?}");
    assert!(check.stdout.contains(why), "{check:?}");
}

fn deploys(ground: &Ground) {
    let releases = Releases::new(ground);
    let (old, new) = (|| Server::start(&releases, &releases.old), || Server::start(&releases, &releases.new));
    let balancer = Balancer::default();
    let first = [old(), old()];
    let created = first[0].request("POST", "/users", r#"{"email": "first@example.org", "name": "The first"}"#);
    assert_eq!(created.expect("it answers").0, 201);
    *balancer.servers.write().expect("nobody else has it") = first.to_vec();
    std::thread::scope(|scope| {
        for number in 0..3 {
            let balancer = &balancer;
            scope.spawn(move || balancer.client(number));
        }
        // Clients end also when an assertion fails.
        let _over = Over(&balancer.over);
        balancer.sees_enough();

        // What the release notes say, and what the set looks like before it is released.
        let table = releases
            .pipeline("compatibility --runtime-version 0.3.0 --program 0.1.0 --program 0.2.0 --format markdown");
        assert!(table.contains("| 2.0.0"), "{table}");
        releases.pipeline("validate --runtime-version 0.3.0");

        // Expand: the old version goes on, is ready, and starts. The new one may start as well.
        done(&run(&mut releases.command(&releases.new, "migrate up --phase expand")));
        done(&run(&mut releases.command(&releases.new, "migrate check")));
        balancer.sees_enough();
        assert!(first[0].is_ready());
        let restarted = old();
        balancer.serve_with(&[&first[0], &restarted]);

        // Deploy: one after the other, both versions at once in between.
        let second = [new(), new()];
        balancer.serve_with(&[&first[0], &second[0]]);

        // Backfill, while both versions serve. Neither has heard of it.
        let backfill = format!("up --to 1.9.0 {}", ground.application_role());
        assert!(releases.pipeline(&backfill).contains("applied 1.9.0 fill_full_name"));
        ground.assert_granted();
        balancer.sees_enough();
        assert!(first[0].is_ready() && second[0].is_ready());

        // Contract: an old server is still there, so the step is not taken, or waits for it to leave.
        let running = releases.pipeline("instances");
        assert_eq!(running.matches("0.1.0").count(), 1, "{running}");
        let blocked = run(&mut releases.of_pipeline("up --phase contract"));
        assert_eq!(blocked.code, 75, "{blocked:?}");
        assert!(blocked.stderr.contains("0.1.0"), "{blocked:?}");
        let mut waiting = releases.of_pipeline("up --phase contract --wait-for-fleet 10m");
        let waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("migrate can be started");
        until("the run to say what it intends", || {
            ground.value("SELECT coalesce(intended_floor, '') FROM schema_migrations_v2_state") == "0.2.0"
        });
        balancer.serve_with(&[&second[0], &second[1]]);
        let waited = waiting.wait_with_output().expect("migrate can be waited for");
        assert!(waited.status.success(), "{}", String::from_utf8_lossy(&waited.stderr));
        assert!(String::from_utf8_lossy(&waited.stdout).contains("applied 2.0.0 users_without_name"), "{waited:?}");

        // The new version goes on with a schema that it has never heard of; the old one refuses.
        balancer.sees_enough();
        assert!(second[0].is_ready());
        refuses_to_start(&releases);

        // The image is rolled back: the old version undoes what shuts it out, by the script in the ledger.
        done(&run(&mut releases.command(&releases.old, "migrate compatibility")));
        for line in ["migrate down --to 1.9.0 --dry-run", "migrate plan --to 1.9.0 --sql"] {
            let shown = run(&mut releases.command(&releases.old, line));
            assert!(done(&shown).contains("2.0.0"), "{shown:?}");
        }
        let down = run(&mut releases.command(&releases.old, "migrate down --to 1.9.0 --yes"));
        assert!(done(&down).contains("undone 2.0.0 users_without_name"), "{down:?}");
        assert!(down.stderr.contains("-- down 2.0.0 users_without_name: stored in the ledger"), "{down:?}");
        balancer.sees_enough();
        let third = [old(), old()];
        balancer.serve_with(&[&second[1], &third[0]]);
        balancer.serve_with(&[&third[0], &third[1]]);

        // And forward again, from blue to green in one switch. Until blue is stopped it may take over at any moment.
        done(&run(&mut releases.command(&releases.new, "migrate up --phase expand")));
        let green = [new(), new()];
        done(&run(&mut releases.command(&releases.new, "migrate check")));
        balancer.switch_to(&[&green[0], &green[1]]);
        balancer.sees_enough();
        balancer.switch_to(&[&third[0], &third[1]]);
        balancer.sees_enough();
        balancer.switch_to(&[&green[0], &green[1]]);
        third.iter().for_each(|blue| blue.stop());
        assert!(releases.pipeline("up --phase contract").contains("applied 2.0.0 users_without_name"));
        balancer.sees_enough();
        refuses_to_start(&releases);
    });
    let failures = balancer.failures.lock().expect("no client panicked");
    assert!(failures.is_empty(), "{failures:?}");
    let rounds = balancer.rounds.load(Ordering::SeqCst);
    assert_eq!(ground.value("SELECT count(*) FROM users"), (rounds + 1).to_string());
    assert_eq!(ground.value("SELECT count(*) FROM users WHERE full_name IS NULL"), "0");
    assert_eq!(ground.value("SELECT CAST(sum(balance_minor) AS BIGINT) FROM wallets"), (7 * rounds).to_string());
    assert_eq!(ground.value("SELECT max(version) FROM schema_migrations_v2"), "2.0.0");
}

/// Ends the clients.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn an_old_and_a_new_version_share_a_sqlite_file() {
    deploys(&Ground::Sqlite(tempfile::tempdir().expect("a temporary directory can be made")));
}

#[test]
fn an_old_and_a_new_version_share_a_postgres_database() {
    deploys(&Ground::Postgres(postgres::Server::shared().database()));
}

/// A program whose users install older and newer versions as they please, each alone with its file.
#[test]
fn an_older_version_is_installed_again_on_its_file() {
    let ground = Ground::Sqlite(tempfile::tempdir().expect("a temporary directory can be made"));
    let releases = Releases::new(&ground);
    let starts = |program: &PathBuf| Server::start(&releases, program).stop();
    starts(&releases.old);
    starts(&releases.new);
    // The newer version only added.
    starts(&releases.old);

    releases.pipeline("up");
    refuses_to_start(&releases);
    let shown = run(&mut releases.command(&releases.old, "migrate plan --to 1.9.0 --sql"));
    assert!(done(&shown).contains("2.0.0"), "{shown:?}");
    done(&run(&mut releases.command(&releases.old, "migrate down --to 1.9.0 --yes")));
    starts(&releases.old);
    starts(&releases.new);
}
