#!/bin/sh
# Like, like again (it counts once), unlike and read counts with curl. The cookie file identifies the visitor.
# Run: LIKEWISE_URL=http://127.0.0.1:8080 sh examples/likes.sh hello-world
set -eu

url="${LIKEWISE_URL:-http://127.0.0.1:8080}"
post="${1:-hello-world}"
reader="$(mktemp)"
trap 'rm -f "$reader"' EXIT

ask() {
    curl --silent --show-error --fail-with-body --max-time 5 --cookie "$reader" --cookie-jar "$reader" "$@"
    echo
}

ask --request PUT "$url/v1/posts/$post/like"
ask --request PUT "$url/v1/posts/$post/like"
ask --request DELETE "$url/v1/posts/$post/like"
ask "$url/v1/counts?post=$post&post=another-post"
