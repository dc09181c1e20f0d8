-- A database holds some shards, each with its posts and likes. Docs: ARCHITECTURE.md, "Rows in Postgres".

CREATE TABLE install (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    shards   integer NOT NULL
);

CREATE TABLE shards (
    shard   integer PRIMARY KEY,
    name    text    NOT NULL DEFAULT '',      -- of the life: the Redis server's run id and a time
    life    bigint  NOT NULL DEFAULT 0,       -- fencing number, raised with each other server process
    ver     bigint  NOT NULL DEFAULT 0,       -- the highest version stored
    state   text    NOT NULL DEFAULT 'here',
    next_id bigint  NOT NULL DEFAULT 1
);

CREATE TABLE posts (
    post_id    integer     NOT NULL,             -- a shard has at most two billion posts; a like's row is smaller for it
    n          bigint      NOT NULL DEFAULT 0,   -- rows of likes with liked
    rev        bigint      NOT NULL DEFAULT 0,   -- raised with each change of n or seed
    ver        bigint      NOT NULL DEFAULT 0,
    seed       bigint      NOT NULL DEFAULT 0,   -- likes from before Likewise; shown = n + seed
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
