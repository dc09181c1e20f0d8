-- A database holds some shards, each with its posts and likes. See "The protocol" in ARCHITECTURE.md.

CREATE TABLE install (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    shards   integer NOT NULL
);

CREATE TABLE shards (
    shard   integer PRIMARY KEY,
    -- The name of the epoch: the run id of the Redis server, and a time.
    name    text    NOT NULL DEFAULT '',
    -- The epoch, a fencing token. It grows when another Redis process takes over the shard.
    life    bigint  NOT NULL DEFAULT 0,
    -- The highest version stored.
    ver     bigint  NOT NULL DEFAULT 0,
    state   text    NOT NULL DEFAULT 'here',
    next_id bigint  NOT NULL DEFAULT 1
);

CREATE TABLE posts (
    -- A shard has at most two billion posts, so rows of likes can be smaller.
    post_id    integer     NOT NULL,
    -- The number of rows in likes with liked = true.
    n          bigint      NOT NULL DEFAULT 0,
    -- Grows with each change of n or seed.
    rev        bigint      NOT NULL DEFAULT 0,
    ver        bigint      NOT NULL DEFAULT 0,
    -- Likes from before Likewise. The count shown is n + seed.
    seed       bigint      NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    shard      integer     NOT NULL,
    post       text        COLLATE "C" NOT NULL,
    owner      text,
    PRIMARY KEY (shard, post_id),
    UNIQUE (shard, post),
    CHECK (n >= 0 AND seed >= 0)
);

CREATE TABLE likes (
    version bigint   NOT NULL,
    post_id integer  NOT NULL,
    shard   smallint NOT NULL,
    liked   boolean  NOT NULL,
    actor   text     COLLATE "C" NOT NULL,
    PRIMARY KEY (shard, post_id, actor)
) PARTITION BY LIST (shard);

CREATE INDEX likes_newest ON likes (post_id, version DESC) WHERE liked;
CREATE INDEX likes_of_actor ON likes (actor, version);
