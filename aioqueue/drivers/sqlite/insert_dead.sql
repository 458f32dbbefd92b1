-- Set messages aside.
-- Parameters, repeated: id, task, queue, reason, died, forget, body
INSERT INTO dead (id, task, queue, reason, died, forget, body)
VALUES (?, ?, ?, ?, ?, ?, ?)
