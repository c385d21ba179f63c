SELECT count(*) = 0 FROM users WHERE email IS NULL OR name IS NULL OR created_at IS NULL;
