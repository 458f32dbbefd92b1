-- Make ready what is due, oldest first, as many at a time as leave the file free for others soon.
-- Parameters: now
UPDATE message SET state = 0, due = NULL
WHERE seq IN (SELECT seq FROM message WHERE state = 1 AND due <= ? ORDER BY due LIMIT 1000)
