-- Take messages; one whose (id, turn) is here already is not taken twice.
-- Parameters, repeated: id, turn, queue, priority, state, due, published, body
INSERT INTO message (id, turn, queue, priority, state, due, published, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
