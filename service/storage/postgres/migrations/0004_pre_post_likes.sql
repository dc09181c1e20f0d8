-- Store likes in `post_likes`, with actors as keys of 16 bytes. ADR 13 gives the reason for each column and index.
--
-- Migrations 0004 to 0006 let pods and flushers of the earlier release, which use `likes`, run beside those of this
-- release, which use `post_likes`. 0004 adds the tables, and a trigger that repeats each change of `likes`. 0005 copies
-- the rows that `likes` holds already. 0006 adds the trigger of the other direction. 0007, a `post` migration, drops
-- `likes`.

-- The key of an actor. actor_keys.py holds the same function. A visitor's name is 16 bytes in base64url, if the bits
-- that base64 leaves unused are zero.
CREATE FUNCTION actor_key(name text) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT encode(CASE
        WHEN name ~ '^[A-Za-z0-9_-]{21}[AQgw]$' THEN decode(translate(name, '-_', '+/') || '==', 'base64')
        ELSE substring(sha256(convert_to(name, 'UTF8')) FROM 1 FOR 16)
    END, 'hex')::uuid
$$;

CREATE FUNCTION visitor_name(actor uuid) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT translate(rtrim(encode(uuid_send(actor), 'base64'), '='), '+/', '-_')
$$;

-- The actors whose names cannot be computed from their keys: users.
CREATE TABLE actors (
    actor uuid PRIMARY KEY,
    -- The actor id in Redis and in the API, such as `user:ann`.
    name  text COLLATE "C" NOT NULL,
    CONSTRAINT actor_is_key_of_name CHECK (actor = actor_key(name))
);

CREATE FUNCTION actor_name(key uuid) RETURNS text LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce((SELECT name FROM actors WHERE actor = key), visitor_name(key))
$$;

-- A like's own time in units of 2^21 µs (2.1 s), which fit into 31 bits until 2112. A wrong clock causes no error.
CREATE FUNCTION like_period(liked_at bigint, version bigint) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ((coalesce(liked_at, version) >> 21) & 2147483647)::integer
$$;

-- The columns up to `visibility` fill 32 bytes. With a ninth column, every row with a NULL would be 8 bytes longer.
CREATE TABLE post_likes (
    -- The order of the actor's changes. Only a like and an unlike raise it.
    version    bigint   NOT NULL,
    actor      uuid     NOT NULL,
    post_id    integer  NOT NULL,
    shard      smallint NOT NULL,
    -- l: liked. h: hidden, a like in quarantine, which only its actor sees. u: unliked.
    state      "char"   NOT NULL,
    -- p: public. a: for the author of the post only. c: only counted. NULL: the default at the time of reading.
    visibility "char",
    -- The number of the experiment's variant that the actor saw. NULL: none.
    variant    smallint,
    -- The like's own time in µs since 1970, if it was made before its version, as an imported like. NULL: its version.
    liked_at   bigint,
    PRIMARY KEY (actor, post_id, shard),
    CONSTRAINT state_is_known CHECK (state IN ('l', 'h', 'u')),
    CONSTRAINT visibility_is_known CHECK (visibility IN ('p', 'a', 'c')),
    CONSTRAINT variant_is_positive CHECK (variant > 0),
    CONSTRAINT liked_at_is_before_version CHECK (liked_at > 0 AND liked_at < version),
    CONSTRAINT unlike_has_no_attributes CHECK (state <> 'u' OR num_nonnulls(visibility, variant, liked_at) = 0)
) PARTITION BY LIST (shard);

-- The likes of a post by time. Likes of one period share an entry of the index, and a reader sorts them.
CREATE INDEX post_likes_newest ON post_likes (post_id, like_period(liked_at, version)) WHERE state <> 'u';

-- The shards of an existing database. A shard leaves likes_to_copy once all of its likes are copied.
CREATE TABLE likes_to_copy (
    shard   smallint PRIMARY KEY,
    -- The last like that was copied.
    post_id integer NOT NULL DEFAULT 0,
    actor   text COLLATE "C" NOT NULL DEFAULT ''
);
INSERT INTO likes_to_copy (shard) SELECT shard FROM shards;

DO $$
DECLARE
    place integer;
BEGIN
    FOR place IN SELECT shard FROM shards ORDER BY shard LOOP
        EXECUTE format('CREATE TABLE post_likes_%s PARTITION OF post_likes FOR VALUES IN (%s)',
            to_char(place, 'FM0000'), place);
    END LOOP;
END
$$;

-- Before the trigger: transactions lock `posts` before `likes`.
ALTER TABLE posts
    -- The site that the post belongs to: the part of `post` before the character U+001F. NULL: the site without a name.
    ADD COLUMN site text COLLATE "C",
    -- The number of rows in post_likes with state h. They are not in n. NULL: none.
    ADD COLUMN hidden bigint,
    ADD CONSTRAINT site_is_part_of_post CHECK (site IS NULL OR starts_with(post, site || E'\x1f')) NOT VALID,
    ADD CONSTRAINT hidden_is_positive CHECK (hidden > 0) NOT VALID;

-- For each row, because a statement on a partition would not fire a trigger that the table has for statements.
CREATE FUNCTION likes_to_post_likes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    key uuid := actor_key(NEW.actor);
BEGIN
    IF visitor_name(key) <> NEW.actor THEN
        INSERT INTO actors (actor, name) VALUES (key, NEW.actor) ON CONFLICT DO NOTHING;
    END IF;
    INSERT INTO post_likes (version, actor, post_id, shard, state)
    VALUES (NEW.version, key, NEW.post_id, NEW.shard, CASE WHEN NEW.liked THEN 'l' ELSE 'u' END)
    ON CONFLICT (actor, post_id, shard) DO UPDATE SET version = excluded.version, state = excluded.state;
    RETURN NULL;
END
$$;

-- The condition keeps the triggers of both directions from calling each other.
CREATE TRIGGER likes_to_post_likes AFTER INSERT OR UPDATE ON likes
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION likes_to_post_likes();

-- Copy at most `count` likes of one shard, after the last one that was copied. Return how many there were, or NULL once
-- every shard is complete.
CREATE FUNCTION copy_likes(count integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    place  likes_to_copy;
    last   likes_to_copy;
    copied integer;
BEGIN
    SELECT * INTO place FROM likes_to_copy ORDER BY shard LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- Flushers must not change the rows between reading and copying them.
    PERFORM FROM shards WHERE shard = place.shard FOR UPDATE;
    EXECUTE format($copy$
        WITH chosen AS MATERIALIZED (
            SELECT *, actor_key(actor) AS key FROM likes_%1$s
            WHERE shard = $1 AND (post_id, actor) > ($2, $3) ORDER BY shard, post_id, actor LIMIT $4
        ), named AS (
            INSERT INTO actors (actor, name)
            SELECT DISTINCT key, actor FROM chosen WHERE visitor_name(key) <> actor ORDER BY key ON CONFLICT DO NOTHING
        ), added AS (
            INSERT INTO post_likes_%1$s (version, actor, post_id, shard, state)
            SELECT version, key, post_id, shard, CASE WHEN liked THEN 'l' ELSE 'u' END FROM chosen
            ON CONFLICT DO NOTHING
        )
        SELECT shard, post_id, actor, count(*) OVER () FROM chosen ORDER BY post_id DESC, actor DESC LIMIT 1
    $copy$, to_char(place.shard, 'FM0000'))
    INTO last.shard, last.post_id, last.actor, copied USING place.shard, place.post_id, place.actor, count;
    IF copied = count THEN
        UPDATE likes_to_copy SET post_id = last.post_id, actor = last.actor WHERE shard = place.shard;
    ELSE
        DELETE FROM likes_to_copy WHERE shard = place.shard;
    END IF;
    RETURN coalesce(copied, 0);
END
$$;
