-- café
DROP TABLE tags;
