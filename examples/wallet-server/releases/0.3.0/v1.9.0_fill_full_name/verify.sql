SELECT count(*) = 0 FROM users WHERE full_name IS NULL;
