-- Named statements of the ledger, loaded by service/storage/postgres/queries.py. {likes} is the partition of one shard, or all.
-- Arrays are sent in binary (%b): as text, psycopg would quote each element by a regular expression.
-- OFFSET 0 keeps a look-up by its whole key one: as a join, the planner may use a part of the key and read all of a viral post.

-- name: lock_shards
-- A statement of its own: what follows must see what others committed before this lock was had.
SELECT shard, life, state FROM shards WHERE shard = ANY(%(shards)s) ORDER BY shard FOR UPDATE

-- name: acquire_epoch
-- One statement, so that the life returned is the one of this name, whoever else registers meanwhile.
UPDATE shards SET life = life + (name <> %(name)s)::integer, name = %(name)s WHERE shard = %(shard)s RETURNING life, ver

-- name: add_posts
WITH missing AS (
    SELECT new.shard, new.post, row_number() OVER (PARTITION BY new.shard) AS place
    FROM unnest(%(shards)b::integer[], %(posts)b::text[]) AS new(shard, post)
    LEFT JOIN LATERAL (
        SELECT post_id FROM posts WHERE posts.shard = new.shard AND posts.post = new.post OFFSET 0
    ) AS known ON true
    WHERE known.post_id IS NULL
), counted AS (
    SELECT shard, max(place) AS posts FROM missing GROUP BY shard
), taken AS (
    UPDATE shards SET next_id = next_id + counted.posts FROM counted WHERE shards.shard = counted.shard
    RETURNING shards.shard, next_id
)
INSERT INTO posts (shard, post_id, post)
SELECT shard, taken.next_id - missing.place, missing.post FROM missing JOIN taken USING (shard)

-- name: store_likes
-- A wish finds its post by the place in arrays, and a post is updated where it was found, as the lock of its shard holds it
-- there: for a join, the planner may read all posts. Answers each post, also where all its wishes were stored before.
WITH known AS (
    SELECT array_agg(found.post_id ORDER BY asked.place) AS ids, array_agg(found.tid ORDER BY asked.place) AS tids
    FROM unnest(%(shards)b::integer[], %(posts)b::text[]) WITH ORDINALITY AS asked(shard, post, place)
    LEFT JOIN LATERAL (
        SELECT post_id, ctid AS tid FROM posts WHERE posts.shard = asked.shard AND posts.post = asked.post OFFSET 0
    ) AS found ON true
), wishes AS (
    SELECT wish.*, (%(shards)b::smallint[])[wish.place] AS shard, known.ids[wish.place] AS post_id
    FROM known, unnest(%(places)b::integer[], %(actors)b::text[], %(liked)b::boolean[], %(versions)b::bigint[])
        AS wish(place, actor, liked, version)
), compared AS (
    SELECT wishes.*, coalesce(old.liked, false) AS was, coalesce(old.version < wishes.version, true) AS newer
    FROM wishes
    LEFT JOIN LATERAL (
        SELECT liked, version FROM {likes} AS row
        WHERE row.shard = wishes.shard AND row.post_id = wishes.post_id AND row.actor = wishes.actor OFFSET 0
    ) AS old ON true
), stored AS (
    INSERT INTO {likes} (shard, post_id, actor, liked, version)
    SELECT shard, post_id, actor, liked, version FROM compared WHERE newer
    ON CONFLICT (shard, post_id, actor) DO UPDATE SET liked = excluded.liked, version = excluded.version
), changes AS (
    SELECT place, bool_or(newer)::integer AS revisions, max(version) AS version,
        coalesce(sum(liked::integer - was::integer) FILTER (WHERE newer), 0) AS delta
    FROM compared GROUP BY place
)
UPDATE posts SET n = n + delta, rev = rev + revisions, ver = greatest(ver, changes.version)
FROM known, changes WHERE posts.ctid = known.tids[changes.place]
RETURNING posts.shard, posts.post, n + seed, rev

-- name: raise_versions
UPDATE shards SET ver = greatest(ver, new.version)
FROM unnest(%(shards)b::integer[], %(versions)b::bigint[]) AS new(shard, version) WHERE shards.shard = new.shard
RETURNING shards.shard, ver

-- name: load
SELECT ask.place, coalesce(known.n, 0), coalesce(known.seed, 0), coalesce(known.rev, 0), coalesce(own.liked, false)
FROM unnest(%(shards)b::integer[], %(posts)b::text[], %(actors)b::text[]) WITH ORDINALITY
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

-- name: all_counts
SELECT post, n, seed FROM posts WHERE shard = %(shard)s
