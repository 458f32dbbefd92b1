-- Hold these messages under a claim.
-- Parameters: token, lease_until, worker, seqs (JSON)
UPDATE message
SET state = 2, token = ?, lease_until = ?, worker = ?, deliveries = deliveries + 1
WHERE seq IN (SELECT value FROM json_each(?))
