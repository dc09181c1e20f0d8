-- Repeat each change of `post_likes` in `likes`, which pods and flushers of the earlier release read. See 0004.

DROP FUNCTION copy_likes;
DROP TABLE likes_to_copy;

CREATE FUNCTION post_likes_to_likes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO likes (version, post_id, shard, liked, actor)
    VALUES (NEW.version, NEW.post_id, NEW.shard, NEW.state = 'l', actor_name(NEW.actor))
    ON CONFLICT (shard, post_id, actor) DO UPDATE SET version = excluded.version, liked = excluded.liked;
    RETURN NULL;
END
$$;

CREATE TRIGGER post_likes_to_likes AFTER INSERT OR UPDATE ON post_likes
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION post_likes_to_likes();
