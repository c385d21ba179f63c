\connect app
CREATE TABLE users (id INTEGER PRIMARY KEY);
