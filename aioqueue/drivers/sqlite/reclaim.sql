-- Put back what was held under leases that ran out; each counts as a crash.
-- Parameters: now (monotonic)
UPDATE message
SET state = 0, token = NULL, lease_until = NULL, worker = NULL, crashes = crashes + 1
WHERE state = 2 AND lease_until < ?
