-- The tables of textbook.py.
CREATE TABLE posts (post text PRIMARY KEY, likes bigint NOT NULL DEFAULT 0);
CREATE TABLE likes (
    post text NOT NULL, actor text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (post, actor)
);
