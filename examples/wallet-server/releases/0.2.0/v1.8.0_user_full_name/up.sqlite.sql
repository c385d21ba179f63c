-- SQLite takes no NOT NULL away, so the table is built anew, with foreign keys off.
CREATE TABLE users_rebuilt (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL UNIQUE CONSTRAINT users_email_check CHECK (email LIKE '%_@_%'),
    name TEXT,
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    full_name TEXT
);

INSERT INTO sqlite_sequence (name, seq) SELECT 'users_rebuilt', seq FROM sqlite_sequence WHERE name = 'users';

INSERT INTO users_rebuilt (id, email, name, created_at) SELECT id, email, name, created_at FROM users;

DROP TABLE users;

ALTER TABLE users_rebuilt RENAME TO users;

CREATE INDEX users_by_creation ON users (created_at);

-- Servers before 0.2.0 write `name` only, those after it `full_name` only; the trigger keeps both of them content.
CREATE TRIGGER users_with_both_names AFTER INSERT ON users WHEN NEW.name IS NULL OR NEW.full_name IS NULL
BEGIN
    UPDATE users SET name = coalesce(name, full_name), full_name = coalesce(full_name, name) WHERE id = NEW.id;
END;
