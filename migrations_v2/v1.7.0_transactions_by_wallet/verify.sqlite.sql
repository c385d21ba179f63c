SELECT count(*) = 1 FROM sqlite_master
WHERE type = 'index' AND name = 'transactions_by_wallet' AND tbl_name = 'transactions';
