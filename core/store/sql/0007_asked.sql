-- For how long the carrier was asked about an attempt in vain: by the uptime of the machine that asks, for
-- the clocks jump. asked_on is that machine since its last start, asked_at_ms its uptime then.
ALTER TABLE attempts
  ADD COLUMN asked_on text,
  ADD COLUMN asked_at_ms bigint,
  ADD COLUMN asked_for_ms bigint NOT NULL DEFAULT 0;
