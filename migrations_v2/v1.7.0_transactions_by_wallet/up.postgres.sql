-- Outside a transaction, because CONCURRENTLY lets deposits go on while the index is built.
CREATE INDEX CONCURRENTLY transactions_by_wallet ON transactions (wallet_id, created_at);
