-- When, how often and from which number people may be called.

-- A calling policy (core/policy), as an operator wrote it and the program checked it.
CREATE TABLE policies (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL REFERENCES tenants,
  name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  document jsonb NOT NULL CHECK (jsonb_typeof(document) = 'object'),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, name),
  UNIQUE (tenant_id, id)
);

-- Who must not be called: a number, or all that begin so ("+1900*"). Without a tenant it holds for
-- every one. Rows of a registry are replaced when the registry is imported again.
CREATE TABLE dnc (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint REFERENCES tenants,
  pattern text NOT NULL CHECK (pattern ~ '^\+[1-9][0-9]{0,14}\*?$'),
  registry text NOT NULL DEFAULT '' CHECK (length(registry) <= 100),
  note text NOT NULL DEFAULT '' CHECK (length(note) <= 500),
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX dnc_once ON dnc (pattern, coalesce(tenant_id, 0), registry);
CREATE INDEX dnc_of_registry ON dnc (registry, id) WHERE registry <> '';

-- How old the copy of a registry is.
CREATE TABLE dnc_registries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint REFERENCES tenants,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  read_at timestamptz NOT NULL DEFAULT now(),
  patterns bigint NOT NULL
);
CREATE UNIQUE INDEX dnc_registries_once ON dnc_registries (name, coalesce(tenant_id, 0));

-- Caller ids to choose from. A number is leased by the open attempts that use it, so that a lease
-- cannot outlive its call nor be lost.
CREATE TABLE caller_pools (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL REFERENCES tenants,
  name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, name),
  UNIQUE (tenant_id, id)
);
CREATE TABLE caller_numbers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id bigint NOT NULL,
  pool_id bigint NOT NULL,
  number text NOT NULL CHECK (number ~ '^\+[1-9][0-9]{6,14}$'),
  concurrency int NOT NULL DEFAULT 1 CHECK (concurrency BETWEEN 1 AND 1000),
  used_at timestamptz,
  FOREIGN KEY (tenant_id, pool_id) REFERENCES caller_pools (tenant_id, id) ON DELETE CASCADE,
  UNIQUE (pool_id, number)
);

ALTER TABLE tenants
  ADD COLUMN policy_id bigint,
  ADD COLUMN concurrency int CHECK (concurrency BETWEEN 1 AND 100000),
  ADD COLUMN calls_per_second double precision
    CHECK (calls_per_second > 0 AND calls_per_second <= 1000),
  ADD FOREIGN KEY (id, policy_id) REFERENCES policies (tenant_id, id);

ALTER TABLE lists
  ADD COLUMN policy_id bigint,
  ADD COLUMN caller_pool_id bigint,
  ADD COLUMN priority int NOT NULL DEFAULT 0 CHECK (priority BETWEEN -99 AND 99),
  ADD COLUMN start_at timestamptz,
  ADD COLUMN resumed_at timestamptz,
  ADD COLUMN on_machine text NOT NULL DEFAULT 'hang_up' CHECK (on_machine IN ('hang_up', 'talk')),
  ADD FOREIGN KEY (tenant_id, policy_id) REFERENCES policies (tenant_id, id),
  ADD FOREIGN KEY (tenant_id, caller_pool_id) REFERENCES caller_pools (tenant_id, id),
  ALTER COLUMN from_number DROP NOT NULL,
  ADD CHECK ((from_number IS NULL) <> (caller_pool_id IS NULL)),
  DROP CONSTRAINT lists_amd_check,
  ADD CHECK (amd IN ('off', 'async', 'sync'));

-- Of the callee, when it is known; empty: by the number.
ALTER TABLE entries ADD COLUMN timezone text NOT NULL DEFAULT '' CHECK (length(timezone) <= 64);
CREATE INDEX entries_of_number ON entries (tenant_id, phone) WHERE phone IS NOT NULL;

-- When the callee could hear the first sound of ours.
ALTER TABLE attempts ADD COLUMN first_audio_at timestamptz;
CREATE INDEX attempts_of_number ON attempts (tenant_id, to_number, created_at);
CREATE INDEX attempts_open_of_caller ON attempts (tenant_id, from_number)
  WHERE state IN ('intent', 'sending', 'placed', 'unknown');

-- A person took the call.
CREATE FUNCTION person_answered(a attempts) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS
  $$ SELECT a.answered_at IS NOT NULL AND a.answered_by NOT LIKE 'machine%'
            AND a.answered_by <> 'fax' $$;
-- A person took the call and heard nothing for two seconds. A call without a record counts once the
-- record had ten minutes to come; who hung up within the two seconds was not abandoned.
CREATE FUNCTION was_left_silent(a attempts) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS
  $$ SELECT person_answered(a) AND coalesce(
       a.first_audio_at > a.answered_at + interval '2 s',
       a.ended_at > a.answered_at + interval '2 s' AND a.ended_at < now() - interval '10 min',
       false) $$;

ALTER TABLE policies ENABLE ROW LEVEL SECURITY;
ALTER TABLE dnc ENABLE ROW LEVEL SECURITY;
ALTER TABLE dnc_registries ENABLE ROW LEVEL SECURITY;
ALTER TABLE caller_pools ENABLE ROW LEVEL SECURITY;
ALTER TABLE caller_numbers ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON policies TO calld_api USING (tenant_id = current_tenant());
CREATE POLICY tenant ON caller_pools TO calld_api USING (tenant_id = current_tenant());
CREATE POLICY tenant ON caller_numbers TO calld_api USING (tenant_id = current_tenant());
-- Rules for everybody are seen by everybody and changed by nobody who acts for a tenant.
CREATE POLICY tenant ON dnc TO calld_api USING (tenant_id = current_tenant());
CREATE POLICY everybody ON dnc FOR SELECT TO calld_api USING (tenant_id IS NULL);
CREATE POLICY tenant ON dnc_registries TO calld_api USING (tenant_id = current_tenant());
CREATE POLICY everybody ON dnc_registries FOR SELECT TO calld_api USING (tenant_id IS NULL);

GRANT SELECT, INSERT, UPDATE, DELETE ON policies, dnc, dnc_registries, caller_pools,
  caller_numbers TO calld_api;
