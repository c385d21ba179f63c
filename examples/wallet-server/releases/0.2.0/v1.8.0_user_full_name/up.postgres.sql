-- Servers before 0.2.0 write `name` only, those after it `full_name` only; the trigger keeps both of them content.
ALTER TABLE users ADD COLUMN full_name TEXT, ALTER COLUMN name DROP NOT NULL;

CREATE FUNCTION users_with_both_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.name := coalesce(NEW.name, NEW.full_name);
    NEW.full_name := coalesce(NEW.full_name, NEW.name);
    RETURN NEW;
END
$$;

CREATE TRIGGER users_with_both_names BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION users_with_both_names();
