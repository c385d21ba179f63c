ALTER TABLE wallets ADD COLUMN balance_minor BIGINT NOT NULL DEFAULT 0;

UPDATE wallets SET balance_minor =
    (SELECT coalesce(sum(amount_minor), 0) FROM transactions WHERE transactions.wallet_id = wallets.id);
