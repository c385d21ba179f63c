-- Rows are only ever added. A withdrawal has a negative amount.
CREATE TABLE transactions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    wallet_id BIGINT NOT NULL REFERENCES wallets (id),
    amount_minor BIGINT NOT NULL CHECK (amount_minor <> 0),
    created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
