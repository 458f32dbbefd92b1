-- The messages next in line, as claim.sql would find them once what is due is promoted.
-- Parameters: queue, now, limit
-- Returns: body
SELECT body FROM (
    SELECT * FROM (
        SELECT priority, seq, body FROM message WHERE state = 0 AND queue = :queue
        ORDER BY priority DESC, seq LIMIT :limit
    )
    UNION ALL
    SELECT priority, seq, body FROM message WHERE state = 1 AND due <= :now AND queue = :queue
)
ORDER BY priority DESC, seq
LIMIT :limit
