"""The textbook's like button: a row a like and a count a post, in one transaction. Actors are believed: no token."""

import os

from flask import Flask, request
from psycopg_pool import ConnectionPool

_LIKE = "INSERT INTO likes (post, actor) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_COUNT = "UPDATE posts SET likes = likes + 1 WHERE post = %s RETURNING likes"
_READ = "SELECT likes FROM posts WHERE post = %s"
_POOL = 4  # what a pool has if nothing is said; 10 cost a quarter more on one hot post, 2 save a twentieth

app = Flask(__name__)
pool = ConnectionPool(os.environ["BENCH_POSTGRES_URL"], min_size=_POOL, max_size=_POOL)


@app.put("/posts/<post>/like")
def like(post: str) -> tuple[dict[str, object], int]:
    """One more, unless this actor's like is there already."""
    with pool.connection() as connection:
        new = connection.execute(_LIKE, [post, request.headers["X-Actor"]]).rowcount == 1
        row = connection.execute(_COUNT if new else _READ, [post]).fetchone()
    return {"post": post, "liked": True, "count": row[0] if row else 0}, 201 if new else 200
