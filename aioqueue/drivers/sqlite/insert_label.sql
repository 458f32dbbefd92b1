-- Note labels of jobs.
-- Parameters, repeated: key, value, id
INSERT INTO label (key, value, id)
VALUES (?, ?, ?)
ON CONFLICT DO NOTHING
