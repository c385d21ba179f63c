DROP TRIGGER users_with_both_names ON users;

DROP FUNCTION users_with_both_names();

ALTER TABLE users DROP COLUMN full_name, ALTER COLUMN name SET NOT NULL;
