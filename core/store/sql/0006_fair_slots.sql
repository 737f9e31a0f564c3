-- Lists that wait for the tenant's or the account's calls at once take turns: which of the two a list
-- waits for, until when that is to be believed, and when it was served last.
ALTER TABLE list_drivers
  ADD COLUMN slot_wanted text CHECK (slot_wanted IN ('tenant', 'account')),
  ADD COLUMN slot_wanted_until timestamptz,
  ADD COLUMN served_at timestamptz;
CREATE INDEX list_drivers_in_line ON list_drivers (slot_wanted_until)
  WHERE slot_wanted_until IS NOT NULL;

-- What the reason of an entry says in detail: which do-not-call rule, which hours.
ALTER TABLE entries ADD COLUMN detail text NOT NULL DEFAULT '';

-- When an operator settled an abandoned attempt. Until then it is shown.
ALTER TABLE attempts ADD COLUMN resolved_at timestamptz;
UPDATE attempts SET resolved_at = now() WHERE state = 'abandoned'
  AND error_message = 'resolved by an operator';
CREATE INDEX attempts_abandoned ON attempts (list_id)
  WHERE state = 'abandoned' AND resolved_at IS NULL;

-- A number's limits are those of all pools that it is in.
CREATE INDEX caller_numbers_of_number ON caller_numbers (tenant_id, number);

-- From how many of its caller ids the list may call now; 1 where its own number is in no pool.
CREATE FUNCTION callers_free(l lists) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT count(*) FILTER (WHERE free) + (l.caller_pool_id IS NULL AND count(*) = 0)::int
  FROM (SELECT min(o.concurrency) > (SELECT count(*) FROM attempts a
                 WHERE a.tenant_id = l.tenant_id AND a.from_number = c.number
                 AND a.state IN ('intent', 'sending', 'placed', 'unknown')) AS free
        FROM caller_numbers c
        JOIN caller_numbers o ON o.tenant_id = c.tenant_id AND o.number = c.number
        WHERE c.tenant_id = l.tenant_id
        AND (c.pool_id = l.caller_pool_id OR c.number = l.from_number)
        GROUP BY c.number) f $$;

-- Whether a free slot of the tenant's would be of use to the list: then lists of a lower priority wait.
-- One whose own pace has more than a second to go has no use for it.
CREATE FUNCTION can_dial(l lists) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT l.state = 'running' AND coalesce(l.start_at, now()) <= now()
    AND EXISTS (SELECT FROM entries e WHERE e.list_id = l.id
                AND e.state IN ('pending', 'retry_wait') AND e.next_attempt_at <= now())
    AND (SELECT count(*) FROM attempts a WHERE a.list_id = l.id
         AND a.state IN ('intent', 'sending', 'placed', 'unknown')) < l.concurrency
    AND callers_free(l) > 0
    AND coalesce((SELECT a.sent_at FROM attempts a WHERE a.list_id = l.id AND a.sent_at IS NOT NULL
                  ORDER BY a.created_at DESC LIMIT 1)
                 + interval '1 s' / greatest(l.calls_per_second, 0.0002)
                 <= now() + interval '1 s', true) $$;
