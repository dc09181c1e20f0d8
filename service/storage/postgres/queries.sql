-- Named statements, loaded by queries.py. {likes} stands for the partition of one shard, or for post_likes.
-- Arrays are sent in binary (%b). As text, psycopg would quote each element with a regular expression.
-- OFFSET 0 keeps a lookup by the whole key from being planned as a join. A join may use a part of the key only, and
-- then reads all likes of a viral post.

-- name: lock_shards
-- Runs alone: the statements after it must see what others committed before the lock was granted.
SELECT shard, epoch, state FROM shards WHERE shard = ANY(%(shards)s) ORDER BY shard FOR UPDATE

-- name: acquire_epoch
-- Runs as one statement, so that the epoch it returns has this name even if others register at the same time.
UPDATE shards SET epoch = epoch + (name <> %(name)s)::integer, name = %(name)s WHERE shard = %(shard)s
RETURNING epoch, ver

-- name: add_posts
WITH missing AS (
    SELECT new.shard, new.post, row_number() OVER (PARTITION BY new.shard) AS place
    FROM unnest(%(shards)b::integer[], %(posts)b::text[]) AS new(shard, post)
    LEFT JOIN LATERAL (
        SELECT post_id FROM posts WHERE posts.shard = new.shard AND posts.post = new.post OFFSET 0
    ) AS existing ON true
    WHERE existing.post_id IS NULL
), counted AS (
    SELECT shard, max(place) AS posts FROM missing GROUP BY shard
), reserved AS (
    UPDATE shards SET next_id = next_id + counted.posts FROM counted WHERE shards.shard = counted.shard
    RETURNING shards.shard, next_id
)
INSERT INTO posts (shard, post_id, post)
SELECT shard, reserved.next_id - missing.place, missing.post FROM missing JOIN reserved USING (shard)

-- name: add_actors
-- In the order of the keys: of two transactions that add the same actors, one waits for the other, without a deadlock.
INSERT INTO actors (actor, name)
SELECT new.actor, new.name FROM unnest(%(actors)b::uuid[], %(names)b::text[]) AS new(actor, name)
LEFT JOIN LATERAL (SELECT actor FROM actors WHERE actors.actor = new.actor OFFSET 0) AS existing ON true
WHERE existing.actor IS NULL ORDER BY new.actor
ON CONFLICT DO NOTHING

-- name: store_likes
-- A like finds its post by its place in arrays, and a post is updated where it was found (ctid): the lock of its shard
-- keeps it there. As joins, the planner may read all posts.
-- Returns each post, even if all of its likes were stored before.
WITH found_posts AS (
    SELECT array_agg(found.post_id ORDER BY given.place) AS ids, array_agg(found.tid ORDER BY given.place) AS tids
    FROM unnest(%(shards)b::integer[], %(posts)b::text[]) WITH ORDINALITY AS given(shard, post, place)
    LEFT JOIN LATERAL (
        SELECT post_id, ctid AS tid FROM posts WHERE posts.shard = given.shard AND posts.post = given.post OFFSET 0
    ) AS found ON true
), requests AS (
    SELECT request.*, (%(shards)b::smallint[])[request.place] AS shard, found_posts.ids[request.place] AS post_id
    FROM found_posts, unnest(%(places)b::integer[], %(actors)b::uuid[], %(liked)b::boolean[], %(versions)b::bigint[])
        AS request(place, actor, liked, version)
), compared AS (
    -- NULL without a row.
    SELECT requests.*, old.state = 'l' AS was_liked, coalesce(old.version < requests.version, true) AS is_newer
    FROM requests
    LEFT JOIN LATERAL (
        SELECT state, version FROM {likes} AS row
        WHERE row.shard = requests.shard AND row.actor = requests.actor AND row.post_id = requests.post_id OFFSET 0
    ) AS old ON true
), added AS (
    INSERT INTO {likes} (version, actor, post_id, shard, state)
    SELECT version, actor, post_id, shard, CASE WHEN liked THEN 'l' ELSE 'u' END FROM compared WHERE was_liked IS NULL
), changed AS (
    -- Always a conflict, which finds the row by its whole key. An unlike clears the attributes.
    INSERT INTO {likes} AS row (version, actor, post_id, shard, state)
    SELECT version, actor, post_id, shard, CASE WHEN liked THEN 'l' ELSE 'u' END
    FROM compared WHERE is_newer AND was_liked IS NOT NULL
    ON CONFLICT (actor, post_id, shard) DO UPDATE SET version = excluded.version, state = excluded.state,
        visibility = CASE WHEN excluded.state <> 'u' THEN row.visibility END,
        variant = CASE WHEN excluded.state <> 'u' THEN row.variant END,
        liked_at = CASE WHEN excluded.state <> 'u' THEN row.liked_at END
), changes AS (
    SELECT place, bool_or(is_newer)::integer AS revisions, max(version) AS version,
        coalesce(sum(liked::integer - coalesce(was_liked, false)::integer) FILTER (WHERE is_newer), 0) AS delta
    FROM compared GROUP BY place
)
UPDATE posts SET n = n + delta, rev = rev + revisions, ver = greatest(ver, changes.version)
FROM found_posts, changes WHERE posts.ctid = found_posts.tids[changes.place]
RETURNING posts.shard, posts.post, n + seed, rev

-- name: raise_versions
UPDATE shards SET ver = greatest(ver, new.version)
FROM unnest(%(shards)b::integer[], %(versions)b::bigint[]) AS new(shard, version) WHERE shards.shard = new.shard
RETURNING shards.shard, ver

-- name: load
SELECT given.place, coalesce(found.n, 0), coalesce(found.seed, 0), coalesce(found.rev, 0), coalesce(own.liked, false)
FROM unnest(%(shards)b::integer[], %(posts)b::text[], %(actors)b::uuid[]) WITH ORDINALITY
    AS given(shard, post, actor, place)
LEFT JOIN LATERAL (
    SELECT post_id, n, seed, rev FROM posts WHERE posts.shard = given.shard AND posts.post = given.post OFFSET 0
) AS found ON true
LEFT JOIN LATERAL (
    SELECT state <> 'u' AS liked FROM post_likes
    WHERE shard = given.shard AND actor = given.actor AND post_id = found.post_id OFFSET 0
) AS own ON true
ORDER BY given.place

-- name: load_members
-- The name of an actor, as the function actor_name returns it, which would run a query for each row.
SELECT coalesce(named.name, visitor_name(likes.actor))
FROM (VALUES (%(shard)s::integer, %(post)s::text)) AS given(shard, post)
JOIN LATERAL (
    SELECT post_id FROM posts WHERE posts.shard = given.shard AND posts.post = given.post OFFSET 0
) AS found ON true
JOIN LATERAL (
    SELECT actor FROM {likes} AS row
    WHERE row.shard = given.shard AND row.post_id = found.post_id AND row.state = 'l' OFFSET 0
) AS likes ON true
LEFT JOIN LATERAL (SELECT name FROM actors WHERE actors.actor = likes.actor OFFSET 0) AS named ON true

-- name: seed
WITH reserved AS (
    UPDATE shards SET next_id = next_id + 1
    WHERE shard = %(shard)s AND state = 'here'
      AND NOT EXISTS (SELECT FROM posts WHERE shard = %(shard)s AND post = %(post)s)
    RETURNING next_id
)
INSERT INTO posts (shard, post_id, post, seed, rev) SELECT %(shard)s, next_id - 1, %(post)s, %(count)s, 1 FROM reserved

-- name: wrong_counts
SELECT posts.post, posts.n, count(likes.actor)
FROM posts LEFT JOIN {likes} AS likes
    ON likes.shard = posts.shard AND likes.post_id = posts.post_id AND likes.state = 'l'
WHERE posts.shard = %(shard)s
GROUP BY posts.post, posts.n HAVING posts.n <> count(likes.actor)

-- name: all_counts
SELECT post, n, seed FROM posts WHERE shard = %(shard)s
