-- Save the records that supersede what is there: core.record.supersedes, in SQL.
-- Parameters, repeated: id, turn, phase, delivery, state, task, queue, parent, forget, data
INSERT INTO record (id, turn, phase, delivery, state, task, queue, parent, forget, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE
SET turn = excluded.turn, phase = excluded.phase, delivery = excluded.delivery, state = excluded.state,
    task = excluded.task, queue = excluded.queue, parent = excluded.parent, forget = excluded.forget,
    data = excluded.data
WHERE excluded.turn > turn OR (excluded.turn = turn AND (
    excluded.phase > phase OR (excluded.phase = 1 AND phase = 1 AND excluded.delivery >= delivery)
))
