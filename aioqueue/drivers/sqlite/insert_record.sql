-- Save the records of jobs that have none yet.
-- Parameters, repeated: id, turn, phase, delivery, state, task, queue, parent, forget, data
INSERT INTO record (id, turn, phase, delivery, state, task, queue, parent, forget, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
