INSERT INTO users (email, name) VALUES ('ada@example.org', 'Ada'), ('grace@example.org', 'Grace O''Hopper');
