ALTER TABLE users ADD COLUMN name TEXT;

UPDATE users SET name = full_name;

CREATE TRIGGER users_with_both_names AFTER INSERT ON users WHEN NEW.name IS NULL OR NEW.full_name IS NULL
BEGIN
    UPDATE users SET name = coalesce(name, full_name), full_name = coalesce(full_name, name) WHERE id = NEW.id;
END;
