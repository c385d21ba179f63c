DROP INDEX transactions_by_wallet;
