-- Drop `likes` and what keeps it equal to `post_likes`. No pod or flusher of the earlier release runs any more. See 0004.

-- First, because a flusher's transaction locks `post_likes` before `likes`.
DROP TRIGGER post_likes_to_likes ON post_likes;
DROP TABLE likes;
DROP FUNCTION post_likes_to_likes, likes_to_post_likes;
