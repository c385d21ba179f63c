SELECT count(*) = 1 FROM pg_index
WHERE indexrelid = 'transactions_by_wallet'::regclass AND indrelid = 'transactions'::regclass AND indisvalid;
