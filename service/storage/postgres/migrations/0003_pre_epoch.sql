-- Rename shards.life to shards.epoch, in two steps.
--
-- This migration is the first step. It adds `epoch`, and a trigger keeps both columns equal. Pods and flushers of the
-- earlier release read and write `life`, those of this release `epoch`. Both run side by side, and a rollback works.
-- The next release drops the column `life`, the trigger and its function, in a `post` migration.

ALTER TABLE shards ADD COLUMN epoch bigint NOT NULL DEFAULT 0;
UPDATE shards SET epoch = life;

-- One statement writes one of the columns; the other gets the same value. A greater value wins if a statement writes
-- both, because an epoch must never go back.
CREATE FUNCTION shards_sync_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.epoch := greatest(NEW.epoch, NEW.life);
    ELSIF NEW.epoch = OLD.epoch THEN
        NEW.epoch := NEW.life;
    ELSIF NEW.life <> OLD.life THEN
        NEW.epoch := greatest(NEW.epoch, NEW.life);
    END IF;
    NEW.life := NEW.epoch;
    RETURN NEW;
END
$$;

CREATE TRIGGER shards_sync_epoch_insert BEFORE INSERT ON shards
    FOR EACH ROW EXECUTE FUNCTION shards_sync_epoch();

-- Each flush updates shards.ver. The condition spares these updates the call.
CREATE TRIGGER shards_sync_epoch_update BEFORE UPDATE ON shards
    FOR EACH ROW WHEN (NEW.epoch <> OLD.epoch OR NEW.life <> OLD.life) EXECUTE FUNCTION shards_sync_epoch();
