"""Store likes as a textbook would: a row per like and a count per post, in one transaction, without tokens."""

import os

from flask import Flask, request
from psycopg_pool import ConnectionPool

_LIKE = "INSERT INTO likes (post, actor) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_COUNT = "UPDATE posts SET likes = likes + 1 WHERE post = %s RETURNING likes"
_READ = "SELECT likes FROM posts WHERE post = %s"
# The pool's default. With 10, one hot post costs a quarter more; with 2, a twentieth less.
_POOL = 4

app = Flask(__name__)
pool = ConnectionPool(os.environ["BENCH_POSTGRES_URL"], min_size=_POOL, max_size=_POOL)


@app.put("/posts/<post>/like")
def like(post: str) -> tuple[dict[str, object], int]:
    """Count one more like, unless this actor has liked the post already."""
    with pool.connection() as connection:
        new = connection.execute(_LIKE, [post, request.headers["X-Actor"]]).rowcount == 1
        row = connection.execute(_COUNT if new else _READ, [post]).fetchone()
    return {"post": post, "liked": True, "count": row[0] if row else 0}, 201 if new else 200
