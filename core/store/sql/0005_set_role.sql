-- Since PostgreSQL 16 who creates a role may give it to others, but may not SET ROLE to it: to be a member is not enough.
-- Without this no tenant's list can be read there, unless calld is a superuser.
DO $$
BEGIN
  IF current_setting('server_version_num')::int >= 160000 THEN
    IF NOT pg_has_role(current_user, 'calld_api', 'SET') THEN
      EXECUTE format('GRANT calld_api TO %I', current_user);
    END IF;
  END IF;
END $$;
