-- The whole schema of the first release. What must never happen is made impossible here, by
-- constraints and partial unique indexes; what should happen is in the functions of core/store.

-- Microseconds since 1970: how times leave the database.
CREATE FUNCTION unix_us(timestamptz) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS
  $$ SELECT (extract(epoch FROM $1) * 1000000)::bigint $$;

CREATE TABLE tenants (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO tenants (name) VALUES ('default');

-- Only the SHA-256 of a token is kept: a copy of this table lets nobody in.
CREATE TABLE api_tokens (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL REFERENCES tenants,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  sha256 text NOT NULL UNIQUE CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz
);

CREATE TABLE lists (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL REFERENCES tenants,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200 AND name !~ '^[0-9]+$'),
  idempotency_key text,
  state text NOT NULL DEFAULT 'draft'
    CHECK (state IN ('draft', 'running', 'paused', 'completed', 'cancelled', 'failed')),
  reason text NOT NULL DEFAULT '',
  agent text NOT NULL CHECK (agent <> ''),
  from_number text NOT NULL CHECK (from_number ~ '^\+[1-9][0-9]{6,14}$'),
  concurrency int NOT NULL CHECK (concurrency BETWEEN 1 AND 1000),
  calls_per_second double precision NOT NULL
    CHECK (calls_per_second > 0 AND calls_per_second <= 100),
  ring_timeout_s int NOT NULL CHECK (ring_timeout_s BETWEEN 15 AND 600),
  time_limit_s int NOT NULL CHECK (time_limit_s BETWEEN 10 AND 14400),
  max_attempts int NOT NULL CHECK (max_attempts BETWEEN 1 AND 20),
  retry_after_s int NOT NULL CHECK (retry_after_s BETWEEN 0 AND 604800),
  amd text NOT NULL CHECK (amd IN ('off', 'async')),
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  finished_at timestamptz,
  UNIQUE (tenant_id, name),
  UNIQUE (tenant_id, idempotency_key),
  UNIQUE (tenant_id, id)  -- so that entries can name both, and never disagree
);

-- Who drives a list. The row stays when the driver goes, so that the epoch only grows.
CREATE TABLE list_drivers (
  list_id bigint PRIMARY KEY REFERENCES lists,
  epoch bigint NOT NULL,
  holder text,
  expires_at timestamptz NOT NULL
);

CREATE TABLE entries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL,
  list_id bigint NOT NULL,
  seq bigint NOT NULL,
  phone text CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
  phone_raw text NOT NULL,
  name text NOT NULL DEFAULT '',
  variables jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(variables) = 'object'),
  state text NOT NULL DEFAULT 'pending'
    CHECK (state IN ('pending', 'dialing', 'in_call', 'retry_wait', 'done')),
  outcome text CHECK (outcome IN ('completed', 'busy', 'no_answer', 'failed', 'machine',
                                  'cancelled', 'refused', 'expired')),
  reason text NOT NULL DEFAULT '',
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  not_after timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, list_id) REFERENCES lists (tenant_id, id),
  UNIQUE (list_id, seq),
  CHECK ((state = 'done') = (outcome IS NOT NULL)),
  CHECK (phone IS NOT NULL OR state = 'done')
) WITH (fillfactor = 70);
-- A number is dialed for one entry of a list only; refused duplicates are kept beside it.
CREATE UNIQUE INDEX entries_one_per_number ON entries (list_id, phone)
  WHERE outcome IS DISTINCT FROM 'refused';
-- The claim reads this index from its start: as cheap with a million entries done as with none.
CREATE INDEX entries_waiting ON entries (list_id, next_attempt_at, seq)
  WHERE state IN ('pending', 'retry_wait');
CREATE INDEX entries_expiring ON entries (list_id, not_after)
  WHERE state IN ('pending', 'retry_wait') AND not_after IS NOT NULL;
CREATE INDEX entries_not_done ON entries (list_id) WHERE state <> 'done';

-- One try to reach an entry. Open: the call may exist.
CREATE TABLE attempts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id bigint NOT NULL REFERENCES tenants,
  list_id bigint NOT NULL REFERENCES lists,
  entry_id bigint NOT NULL REFERENCES entries,
  n int NOT NULL CHECK (n >= 1),
  state text NOT NULL CHECK (state IN ('intent', 'sending', 'placed', 'unknown',
                                       'rejected', 'abandoned', 'ended')),
  token text NOT NULL UNIQUE CHECK (token ~ '^[0-9a-f]{32}$'),
  epoch bigint NOT NULL,
  to_number text NOT NULL,
  from_number text NOT NULL,
  call_sid text UNIQUE,
  call_status text CHECK (call_status IN ('queued', 'initiated', 'ringing', 'in-progress',
    'completed', 'busy', 'no-answer', 'failed', 'canceled')),
  status_sequence bigint,
  answered_by text NOT NULL DEFAULT '',
  error_code text NOT NULL DEFAULT '',
  error_message text NOT NULL DEFAULT '',
  duration_s bigint,
  created_at timestamptz NOT NULL DEFAULT now(),
  sent_at timestamptz,
  placed_at timestamptz,
  answered_at timestamptz,
  ended_at timestamptz,
  UNIQUE (entry_id, n),
  CHECK (state <> 'placed' OR call_sid IS NOT NULL OR call_status IS NOT NULL)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX attempts_one_open_per_entry ON attempts (entry_id)
  WHERE state IN ('intent', 'sending', 'placed', 'unknown');
CREATE UNIQUE INDEX attempts_one_open_per_number ON attempts (to_number, from_number)
  WHERE state IN ('intent', 'sending', 'placed', 'unknown');
CREATE INDEX attempts_open_of_list ON attempts (list_id, epoch)
  WHERE state IN ('intent', 'sending', 'placed', 'unknown');
CREATE INDEX attempts_of_list ON attempts (list_id, created_at);

-- Every webhook as received. tenant_id and attempt_id are empty until the call is known.
CREATE TABLE call_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint REFERENCES tenants,
  attempt_id uuid REFERENCES attempts,
  dedup text NOT NULL UNIQUE,
  kind text NOT NULL,
  token text NOT NULL,
  call_sid text NOT NULL,
  call_status text,
  sequence bigint,
  answered_by text NOT NULL,
  duration_s bigint,
  error_code text NOT NULL,
  error_message text NOT NULL,
  occurred_at timestamptz NOT NULL,
  params jsonb NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX call_events_of_attempt ON call_events (attempt_id, id) WHERE attempt_id IS NOT NULL;
CREATE INDEX call_events_unmatched ON call_events (call_sid) WHERE attempt_id IS NULL;

CREATE FUNCTION call_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- The one change allowed: an event that matched nothing finds its attempt.
  IF TG_OP = 'UPDATE' AND OLD.attempt_id IS NULL
     AND to_jsonb(NEW) - '{attempt_id,tenant_id}'::text[]
       = to_jsonb(OLD) - '{attempt_id,tenant_id}'::text[] THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'call_events is append-only';
END $$;
CREATE TRIGGER call_events_append_only BEFORE UPDATE OR DELETE ON call_events
  FOR EACH ROW EXECUTE FUNCTION call_events_append_only();

CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint REFERENCES tenants,
  queue text NOT NULL,
  function text NOT NULL,
  args jsonb NOT NULL CHECK (jsonb_typeof(args) = 'array'),
  job_id text NOT NULL UNIQUE CHECK (job_id ~ '^[A-Za-z0-9_-]+$'),
  created_at timestamptz NOT NULL DEFAULT now(),
  sent_at timestamptz
);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;
CREATE INDEX outbox_sent ON outbox (sent_at) WHERE sent_at IS NOT NULL;

CREATE TABLE call_records (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  call_sid text NOT NULL UNIQUE,
  attempt_id uuid REFERENCES attempts,
  tenant_id bigint REFERENCES tenants,
  list_id bigint REFERENCES lists,
  entry_id bigint REFERENCES entries,
  path text NOT NULL,
  agent text NOT NULL,
  started_at timestamptz NOT NULL,
  duration_ms bigint NOT NULL,
  turns int NOT NULL,
  end_reason text NOT NULL,
  record jsonb NOT NULL,
  filed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX call_records_of_list ON call_records (list_id, id);
CREATE INDEX call_records_of_entry ON call_records (entry_id, id);
CREATE INDEX call_records_of_attempt ON call_records (attempt_id);

CREATE TABLE cleanup_journal (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source text NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  found jsonb NOT NULL,
  done jsonb NOT NULL,
  before jsonb NOT NULL,
  after jsonb NOT NULL
);

-- Row-level security. Whatever reads or writes for a tenant steps down to the role calld_api and
-- sets app.tenant for the length of its transaction (core/store/db.hpp); a forgotten WHERE then
-- finds nothing of anybody else. The role owns nothing, so no policy is skipped for it, and the
-- owner needs no policy for the system's own work.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'calld_api') THEN
    CREATE ROLE calld_api NOLOGIN;
  END IF;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;  -- another database's migration
  WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'this database user may not create the role calld_api: have an administrator '
      'run CREATE ROLE calld_api NOLOGIN; GRANT calld_api TO %', quote_ident(current_user);
END $$;
DO $$
BEGIN
  IF NOT pg_has_role(current_user, 'calld_api', 'MEMBER') THEN
    EXECUTE format('GRANT calld_api TO %I', current_user);
  END IF;
END $$;

CREATE FUNCTION current_tenant() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS
  $$ SELECT nullif(current_setting('app.tenant', true), '')::bigint $$;

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE lists ENABLE ROW LEVEL SECURITY;
ALTER TABLE entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE call_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE call_records ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenants TO calld_api USING (id = current_tenant());
CREATE POLICY tenant ON lists TO calld_api USING (tenant_id = current_tenant());
CREATE POLICY tenant ON entries TO calld_api USING (tenant_id = current_tenant());
CREATE POLICY tenant ON attempts TO calld_api USING (tenant_id = current_tenant());
CREATE POLICY tenant ON call_events TO calld_api USING (tenant_id = current_tenant());
CREATE POLICY tenant ON outbox TO calld_api USING (tenant_id = current_tenant());
CREATE POLICY tenant ON call_records TO calld_api USING (tenant_id = current_tenant());

GRANT USAGE ON SCHEMA public TO calld_api;
GRANT SELECT ON tenants, call_events, call_records TO calld_api;
GRANT SELECT, INSERT, UPDATE ON lists, entries, outbox TO calld_api;
GRANT SELECT, UPDATE ON attempts TO calld_api;
