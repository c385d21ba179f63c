CREATE TABLE wallets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id BIGINT NOT NULL REFERENCES users (id),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    UNIQUE (user_id, currency)
);
