-- What 1.5.0 sums up; the second wallet stays empty.
INSERT INTO transactions (wallet_id, amount_minor) VALUES (1, 1250), (1, -300), (3, 7);
