-- The records of these jobs, joined, for the reason given in claim.sql.
-- Parameters: lowest state, ids (JSON)
-- Returns: their lengths in bytes (JSON), the records
SELECT json_group_array(length(data)), CAST(group_concat(data, '') AS BLOB)
FROM record WHERE state >= ? AND id IN (SELECT value FROM json_each(?))
