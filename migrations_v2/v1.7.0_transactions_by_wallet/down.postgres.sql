DROP INDEX CONCURRENTLY transactions_by_wallet;
