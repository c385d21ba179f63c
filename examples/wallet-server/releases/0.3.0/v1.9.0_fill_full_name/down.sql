-- `name` still holds what each of them says.
UPDATE users SET full_name = NULL;
