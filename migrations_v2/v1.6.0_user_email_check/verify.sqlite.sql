SELECT count(*) = 1 FROM sqlite_master WHERE type = 'table' AND name = 'users' AND sql LIKE '%users_email_check%';

SELECT count(*) = 1 FROM sqlite_master WHERE type = 'index' AND name = 'users_by_creation' AND tbl_name = 'users';

SELECT count(*) = 0 FROM user_preferences WHERE user_id NOT IN (SELECT id FROM users);

SELECT count(*) = 0 FROM wallets WHERE user_id NOT IN (SELECT id FROM users);
