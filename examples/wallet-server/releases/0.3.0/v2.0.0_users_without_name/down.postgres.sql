ALTER TABLE users ADD COLUMN name TEXT;

UPDATE users SET name = full_name;

CREATE FUNCTION users_with_both_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.name := coalesce(NEW.name, NEW.full_name);
    NEW.full_name := coalesce(NEW.full_name, NEW.name);
    RETURN NEW;
END
$$;

CREATE TRIGGER users_with_both_names BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION users_with_both_names();
