CREATE INDEX transactions_by_wallet ON transactions (wallet_id, created_at);
