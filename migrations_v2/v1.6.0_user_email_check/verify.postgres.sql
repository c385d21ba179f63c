SELECT count(*) = 1 FROM pg_constraint
WHERE conrelid = 'users'::regclass AND conname = 'users_email_check' AND convalidated;
