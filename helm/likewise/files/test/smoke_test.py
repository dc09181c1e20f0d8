"""Like a new post through the Service, like it again, read the count, and unlike it."""

import json
import os
import sys
import time
import uuid
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

URL = os.environ["LIKEWISE_URL"]
POST = f"helm-test/{uuid.uuid4()}"
TIMEOUT_S = 60


def request(method, resource, headers):
    """Return status, headers and JSON body. Retry connection errors and 503 until the timeout, then exit."""
    deadline = time.monotonic() + TIMEOUT_S
    url = f"{URL}/v1/posts/{POST}/{resource}"
    while True:
        try:
            with urlopen(Request(url, method=method, headers=headers), timeout=5) as response:
                return response.status, response.headers, json.load(response)
        except (HTTPError, URLError, TimeoutError) as error:
            temporary = not isinstance(error, HTTPError) or error.code == 503
            if not temporary or time.monotonic() > deadline:
                reason = error.read().decode(errors="replace") if isinstance(error, HTTPError) else error
                sys.exit(f"{method} {url}: {reason}")
            time.sleep(1)


def check(step, found, expected):
    """Print the result of a step. Exit if it is not the expected one."""
    if found != expected:
        sys.exit(f"{step}: {found}, expected {expected}")
    print(f"{step}: {found}")


def like_state(body):
    """Return whether the post is liked, and its count."""
    return body["liked"], body["count"]


def main():
    """Run the test."""
    _, headers, liked = request("PUT", "like", {})
    visitor = {"Likewise-Visitor": headers["Likewise-Visitor"]}
    try:
        check("liked, count", like_state(liked), (True, 1))
        check("liked again, count", like_state(request("PUT", "like", visitor)[2]), (True, 1))
        check("own state, count", like_state(request("GET", "like", visitor)[2]), (True, 1))
    finally:
        _, _, unliked = request("DELETE", "like", visitor)
    check("unliked, count", like_state(unliked), (False, 0))


main()
