-- Take messages, but none whose job is here already with this turn or a later one: a publish that is repeated late
-- must not bring back a turn that is over.
-- Parameters, repeated: id, turn, queue, priority, state, due, published, body
INSERT INTO message (id, turn, queue, priority, state, due, published, body)
SELECT * FROM (
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
) AS new
WHERE NOT EXISTS (SELECT 1 FROM message WHERE message.id = new.column1 AND message.turn >= new.column2)
ON CONFLICT DO NOTHING
