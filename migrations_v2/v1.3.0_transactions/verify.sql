SELECT count(*) = 0 FROM transactions WHERE amount_minor = 0;
