INSERT INTO outbox (topic, payload) VALUES ('deposit', '{"amount_minor": 1250}');
