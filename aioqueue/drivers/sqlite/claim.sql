-- The next messages of one queue, best priority first, each with its job's record where that matters: the turn may have
-- ended already, or this is not its first delivery or turn.
-- One row for all of them, because each row that Python fetches gives up the interpreter's lock, and getting it back
-- from a busy event loop takes up to 5 ms. `meta` holds the lengths at which to cut the joined bodies and records.
-- Parameters: queue, limit
-- Returns: meta (JSON: seq, priority, deliveries, crashes, published in microseconds, bytes of body, bytes of record),
--          bodies, records
SELECT
    json_group_array(json_array(
        seq, priority, deliveries, crashes, CAST(published * 1e6 + 0.5 AS INTEGER), length(body), length(record)
    )),
    CAST(group_concat(body, '') AS BLOB),
    CAST(group_concat(record, '') AS BLOB)
FROM (
    SELECT seq, priority, deliveries, crashes, published, body, (
        SELECT data FROM record
        WHERE record.id = message.id AND (
            message.deliveries > 0 OR message.turn > 0
            OR record.turn > message.turn OR (record.turn = message.turn AND record.phase = 2)
        )
    ) AS record
    FROM message
    WHERE state = 0 AND queue = ?
    ORDER BY priority DESC, seq
    LIMIT ?
)
