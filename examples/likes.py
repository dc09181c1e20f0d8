"""Like on behalf of your site's users, from your server, with an API key and the id of the signed-in user.

`likewise key new blog --scope like` makes the key. Put its entry into LIKEWISE_API_KEYS, and the key into LIKEWISE_KEY.
Run: LIKEWISE_URL=http://127.0.0.1:8080 LIKEWISE_KEY=lk_blog_... python examples/likes.py hello-world alice
"""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

TIMEOUT_S = 5
# The maximum number of posts in one request for counts.
MAX_POSTS = 100


class Likewise:
    """A client of a Likewise service, with an API key of the scope `like`."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._key = key

    def like(self, post: str, user: str) -> dict[str, Any]:
        """Like a post as this user. Repeating it after an error is safe: a user counts once."""
        return self._send("PUT", _like_path(post), self._as(user))

    def unlike(self, post: str, user: str) -> dict[str, Any]:
        """Take this user's like back."""
        return self._send("DELETE", _like_path(post), self._as(user))

    def state(self, post: str, user: str) -> dict[str, Any]:
        """Return whether this user likes the post, and its count."""
        return self._send("GET", _like_path(post), self._as(user))

    def counts(self, posts: Sequence[str]) -> dict[str, int]:
        """Return the counts of any number of posts. They need no user."""
        found = {}
        for start in range(0, len(posts), MAX_POSTS):
            query = urlencode([("post", post) for post in posts[start : start + MAX_POSTS]])
            rows = self._send("GET", f"/v1/counts?{query}", {})["counts"]
            found |= {row["post"]: row["count"] for row in rows}
        return found

    def _as(self, user: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}", "Likewise-Actor": user}

    def _send(self, method: str, path: str, headers: dict[str, str]) -> dict[str, Any]:
        request = Request(self._url + path, method=method, headers=headers)
        try:
            with urlopen(request, timeout=TIMEOUT_S) as answer:
                return json.load(answer)
        except HTTPError as error:
            # The body says what is wrong.
            with error:
                raise RuntimeError(f"{error.code}: {json.load(error)['detail']}") from None


def _like_path(post: str) -> str:
    return f"/v1/posts/{quote(post, safe='')}/like"


def main() -> None:
    """Like as one user twice, count, and take the like back."""
    post, user = sys.argv[1:]
    likewise = Likewise(os.environ.get("LIKEWISE_URL", "http://127.0.0.1:8080"), os.environ["LIKEWISE_KEY"])
    print("liked:", likewise.like(post, user)["count"])
    print("liked again:", likewise.like(post, user)["count"])
    print("counts:", likewise.counts([post, "another-post"]))
    print("taken back:", likewise.unlike(post, user)["count"])


if __name__ == "__main__":
    main()
