-- Hold on to what is still held under this claim.
-- Parameters: lease_until, token, seqs (JSON)
UPDATE message SET lease_until = ? WHERE token = ? AND seq IN (SELECT value FROM json_each(?))
