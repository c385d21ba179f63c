-- Rows that refer to users, which 1.6.0 builds anew on SQLite.
INSERT INTO user_preferences (user_id, name, value) VALUES (1, 'theme', 'dark'), (1, 'language', 'en'), (2, 'theme', '');
