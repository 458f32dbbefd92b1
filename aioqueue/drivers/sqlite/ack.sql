-- Forget what is still held under this claim.
-- Parameters: token, seqs (JSON)
DELETE FROM message WHERE token = ? AND seq IN (SELECT value FROM json_each(?))
