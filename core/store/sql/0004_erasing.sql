-- What was said and who was called need not be kept for ever: the rows stay, for counts and reports,
-- and what is personal in them goes.
ALTER TABLE lists ADD COLUMN erased_at timestamptz;
ALTER TABLE call_records ADD COLUMN erased_at timestamptz;
CREATE INDEX call_records_by_age ON call_records (started_at) WHERE erased_at IS NULL;

CREATE OR REPLACE FUNCTION call_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Two changes are allowed: an event that matched nothing finds its attempt, and what the carrier
  -- said in words is erased.
  IF TG_OP = 'UPDATE' AND OLD.attempt_id IS NULL
     AND to_jsonb(NEW) - '{attempt_id,tenant_id}'::text[]
       = to_jsonb(OLD) - '{attempt_id,tenant_id}'::text[] THEN
    RETURN NEW;
  END IF;
  IF TG_OP = 'UPDATE' AND NEW.params = '{}' AND NEW.error_message = ''
     AND to_jsonb(NEW) - '{params,error_message}'::text[]
       = to_jsonb(OLD) - '{params,error_message}'::text[] THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'call_events is append-only';
END $$;
