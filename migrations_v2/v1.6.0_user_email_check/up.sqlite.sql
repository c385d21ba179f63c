-- SQLite adds no constraint to a table, so the table is built anew. Metadata switches foreign keys off meanwhile: with
-- them on, DROP TABLE would delete the users first, and their preferences with them.
CREATE TABLE users_rebuilt (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL UNIQUE CONSTRAINT users_email_check CHECK (email LIKE '%_@_%'),
    name TEXT NOT NULL,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

-- The highest number ever given, also where its user is deleted since.
INSERT INTO sqlite_sequence (name, seq) SELECT 'users_rebuilt', seq FROM sqlite_sequence WHERE name = 'users';

INSERT INTO users_rebuilt (id, email, name, created_at) SELECT id, email, name, created_at FROM users;

DROP TABLE users;

ALTER TABLE users_rebuilt RENAME TO users;

CREATE INDEX users_by_creation ON users (created_at);
