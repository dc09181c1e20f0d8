"""Likes a post of its own through the Service, likes it again, counts, and takes the like back."""

import json
import os
import sys
import time
import uuid
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

URL = os.environ["LIKEWISE_URL"]
POST = f"helm-test/{uuid.uuid4()}"
PATIENCE_S = 60


def ask(method, what, headers):
    """What is answered, once something else than a 503 is."""
    give_up = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urlopen(Request(f"{URL}/v1/posts/{POST}/{what}", method=method, headers=headers), timeout=5) as answer:
                return answer.status, answer.headers, json.load(answer)
        except (HTTPError, URLError, TimeoutError) as error:
            passing = not isinstance(error, HTTPError) or error.code == 503
            if not passing or time.monotonic() > give_up:
                reason = error.read().decode(errors="replace") if isinstance(error, HTTPError) else error
                sys.exit(f"{method} {URL}/v1/posts/{POST}/{what}: {reason}")
            time.sleep(1)


def check(step, found, expected):
    if found != expected:
        sys.exit(f"{step}: {found}, expected {expected}")
    print(f"{step}: {found}")


def standing(answer):
    return answer["liked"], answer["count"]


def main():
    _, headers, liked = ask("PUT", "like", {})
    visitor = {"Likewise-Visitor": headers["Likewise-Visitor"]}
    try:
        check("liked, count", standing(liked), (True, 1))
        check("liked again, count", standing(ask("PUT", "like", visitor)[2]), (True, 1))
        check("own state, count", standing(ask("GET", "like", visitor)[2]), (True, 1))
    finally:
        _, _, taken = ask("DELETE", "like", visitor)
    check("taken back, count", standing(taken), (False, 0))


main()
