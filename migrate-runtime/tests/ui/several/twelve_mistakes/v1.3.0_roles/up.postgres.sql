ALTER TYPE role ADD VALUE 'auditor';
UPDATE users SET role = 'auditor'::role;
