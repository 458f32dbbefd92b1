-- Give back what is still held under this claim.
-- Parameters: state (0 ready, 1 scheduled), due, token, seqs (JSON)
UPDATE message
SET state = ?, due = ?, token = NULL, lease_until = NULL, worker = NULL
WHERE token = ? AND seq IN (SELECT value FROM json_each(?))
