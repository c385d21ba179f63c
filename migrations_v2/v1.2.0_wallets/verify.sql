SELECT count(*) = 0 FROM wallets WHERE length(currency) <> 3;
