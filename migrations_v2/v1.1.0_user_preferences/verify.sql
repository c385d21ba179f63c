SELECT count(*) = 0 FROM user_preferences WHERE user_id IS NULL OR name IS NULL OR value IS NULL;
