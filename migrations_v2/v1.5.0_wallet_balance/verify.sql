SELECT count(*) = 0 FROM wallets WHERE balance_minor <>
    (SELECT coalesce(sum(amount_minor), 0) FROM transactions WHERE transactions.wallet_id = wallets.id);
