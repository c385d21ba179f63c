-- What was filled in is true all the same, so it stays.
SELECT 1;
