-- Named statements of the ledger, loaded by service/store/queries.py. {likes} is the partition of one shard.
-- OFFSET 0 keeps a look-up by its whole key one: as a join, the planner may use a part of the key and read all of a viral post.

-- name: lock_shards
-- A statement of its own: what follows must see what others committed before this lock was had.
SELECT shard, life, state FROM shards WHERE shard = ANY(%(shards)s) ORDER BY shard FOR UPDATE

-- name: register_life
-- One statement, so that the life returned is the one of this name, whoever else registers meanwhile.
UPDATE shards SET life = life + (name <> %(name)s)::integer, name = %(name)s WHERE shard = %(shard)s RETURNING life, ver

-- name: add_posts
WITH missing AS (
    SELECT new.post, row_number() OVER () AS place
    FROM unnest(%(posts)s::text[]) AS new(post)
    WHERE NOT EXISTS (SELECT FROM posts WHERE posts.shard = %(shard)s AND posts.post = new.post)
), taken AS (
    UPDATE shards SET next_id = next_id + (SELECT count(*) FROM missing)
    WHERE shard = %(shard)s AND EXISTS (SELECT FROM missing)
    RETURNING next_id
)
INSERT INTO posts (shard, post_id, post)
SELECT %(shard)s, taken.next_id - missing.place, missing.post FROM missing, taken

-- name: store_wishes
WITH wishes AS (
    SELECT known.post_id, wish.actor, wish.liked, wish.version
    FROM unnest(%(posts)s::text[], %(actors)s::text[], %(liked)s::boolean[], %(versions)s::bigint[])
        AS wish(post, actor, liked, version),
    LATERAL (SELECT post_id FROM posts WHERE shard = %(shard)s AND post = wish.post OFFSET 0) AS known
), newer AS (
    SELECT wishes.*, coalesce(old.liked, false) AS was
    FROM wishes
    LEFT JOIN LATERAL (
        SELECT liked, version FROM {likes} AS row
        WHERE row.shard = %(shard)s AND row.post_id = wishes.post_id AND row.actor = wishes.actor OFFSET 0
    ) AS old ON true
    WHERE old.version IS NULL OR old.version < wishes.version
), stored AS (
    INSERT INTO {likes} (shard, post_id, actor, liked, version)
    SELECT %(shard)s, post_id, actor, liked, version FROM newer
    ON CONFLICT (shard, post_id, actor) DO UPDATE SET liked = excluded.liked, version = excluded.version
), changes AS (
    SELECT post_id, sum(liked::integer - was::integer) AS delta, max(version) AS version FROM newer GROUP BY post_id
)
UPDATE posts SET n = n + changes.delta, rev = rev + 1, ver = greatest(ver, changes.version)
FROM changes WHERE posts.shard = %(shard)s AND posts.post_id = changes.post_id

-- name: read_bases
SELECT post, n + seed, rev FROM posts WHERE shard = %(shard)s AND post = ANY(%(posts)s)

-- name: raise_version
UPDATE shards SET ver = greatest(ver, %(version)s) WHERE shard = %(shard)s RETURNING ver

-- name: load
SELECT ask.place, coalesce(known.n, 0), coalesce(known.seed, 0), coalesce(known.rev, 0), coalesce(own.liked, false)
FROM unnest(%(shards)s::integer[], %(posts)s::text[], %(actors)s::text[]) WITH ORDINALITY
    AS ask(shard, post, actor, place)
LEFT JOIN LATERAL (
    SELECT post_id, n, seed, rev FROM posts WHERE posts.shard = ask.shard AND posts.post = ask.post OFFSET 0
) AS known ON true
LEFT JOIN LATERAL (
    SELECT liked FROM likes
    WHERE likes.shard = ask.shard AND likes.post_id = known.post_id AND likes.actor = ask.actor OFFSET 0
) AS own ON true
ORDER BY ask.place

-- name: load_members
SELECT likes.actor FROM {likes} AS likes JOIN posts USING (shard, post_id)
WHERE posts.shard = %(shard)s AND posts.post = %(post)s AND likes.liked

-- name: seed
WITH taken AS (
    UPDATE shards SET next_id = next_id + 1
    WHERE shard = %(shard)s AND state = 'here'
      AND NOT EXISTS (SELECT FROM posts WHERE shard = %(shard)s AND post = %(post)s)
    RETURNING next_id
)
INSERT INTO posts (shard, post_id, post, seed, rev) SELECT %(shard)s, next_id - 1, %(post)s, %(count)s, 1 FROM taken

-- name: wrong_counts
SELECT posts.post, posts.n, count(likes.actor) FILTER (WHERE likes.liked)
FROM posts LEFT JOIN {likes} AS likes ON likes.shard = posts.shard AND likes.post_id = posts.post_id
WHERE posts.shard = %(shard)s
GROUP BY posts.post, posts.n HAVING posts.n <> count(likes.actor) FILTER (WHERE likes.liked)

-- name: all_bases
SELECT post, n, seed FROM posts WHERE shard = %(shard)s
