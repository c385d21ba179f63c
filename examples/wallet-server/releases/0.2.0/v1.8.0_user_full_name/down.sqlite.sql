CREATE TABLE users_rebuilt (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL UNIQUE CONSTRAINT users_email_check CHECK (email LIKE '%_@_%'),
    name TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

INSERT INTO sqlite_sequence (name, seq) SELECT 'users_rebuilt', seq FROM sqlite_sequence WHERE name = 'users';

INSERT INTO users_rebuilt (id, email, name, created_at) SELECT id, email, name, created_at FROM users;

-- Its trigger goes with it.
DROP TABLE users;

ALTER TABLE users_rebuilt RENAME TO users;

CREATE INDEX users_by_creation ON users (created_at);
