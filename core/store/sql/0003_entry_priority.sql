-- Entries of a list may go before others of it.
ALTER TABLE entries
  ADD COLUMN priority int NOT NULL DEFAULT 0 CHECK (priority BETWEEN -99 AND 99);
-- The claim reads this index from the start of each priority; entries_waiting tells when one is due.
CREATE INDEX entries_in_order ON entries (list_id, priority, next_attempt_at, seq)
  WHERE state IN ('pending', 'retry_wait');
