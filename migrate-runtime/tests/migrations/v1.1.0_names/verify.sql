SELECT count(*) = 0 FROM users WHERE name IS NULL;
