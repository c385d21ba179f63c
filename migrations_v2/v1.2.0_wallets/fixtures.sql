INSERT INTO wallets (user_id, currency) VALUES (1, 'EUR'), (1, 'USD'), (2, 'EUR');
