-- Which of these are still held under this claim.
-- Parameters: token, seqs (JSON)
-- Returns: seqs (JSON), in one row
SELECT json_group_array(seq) FROM message WHERE token = ? AND seq IN (SELECT value FROM json_each(?))
