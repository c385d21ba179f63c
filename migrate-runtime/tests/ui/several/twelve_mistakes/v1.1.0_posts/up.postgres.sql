\connect app
CREATE TABLE posts (id integer PRIMARY KEY);
