"""The rows of likes: keys of actors, their names, and the constraints of the columns."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.bootstrap.stores import Stores
from service.core.queue import Batch, CommitResult, Entry
from service.storage.postgres.actor_keys import actor_key, visitor_key
from service.storage.postgres.shard_map import parse_shard_map
from tests.support.docs.code_blocks import ROOT, CodeBlock, blocks_in
from tests.support.stack.faults import post_in
from tests.support.stack.servers import SHARDS, Servers

SHARD, OTHER_SHARD = 2, 3
VISITOR = "A" * 22
# Without NUL, which Postgres refuses, and halves of surrogate pairs, which UTF-8 cannot encode.
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
VISITOR_NAMES = st.from_regex(r"[A-Za-z0-9_+/-]{22}", fullmatch=True)


@pytest.fixture
def connection(servers: Servers) -> Iterator[psycopg.Connection]:
    """Yield a connection to the database that holds both shards."""
    with psycopg.connect(parse_shard_map(servers.settings.shard_map, SHARDS)[0].url, autocommit=True) as connection:
        yield connection


def commit(stores: Stores, shard: int, version: int, actors: list[str], *, liked: bool = True) -> CommitResult:
    """Store a change of each actor for the shard's post."""
    post = post_in(shard, SHARDS)
    entries = [Entry(f"{at}-0", version + at, post, actor, liked, 1) for at, actor in enumerate(actors)]
    epoch, _ = stores.like_store.acquire_epoch(shard, "a-test")
    [outcome] = stores.like_store.commit([Batch(shard, epoch, entries)])
    assert isinstance(outcome, CommitResult)
    return outcome


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(NAMES | VISITOR_NAMES)
def test_postgres_computes_the_same_keys_and_names(connection: psycopg.Connection, name: str) -> None:
    query = "SELECT actor_key(%s), visitor_name(actor_key(%s))"
    key, of_key = connection.execute(query, [name, name]).fetchone()
    assert key == UUID(bytes=actor_key(name))
    assert (of_key == name) == (visitor_key(name) is not None)


def test_a_name_is_stored_with_the_first_like_of_an_actor_who_is_no_visitor(
    stores: Stores, connection: psycopg.Connection
) -> None:
    actors = [VISITOR, "user:ann", VISITOR[:-1] + "B"]
    for shard, version in ((SHARD, 1), (OTHER_SHARD, 1), (SHARD, 10)):
        commit(stores, shard, version, actors)
    names = connection.execute("SELECT name FROM actors ORDER BY name").fetchall()
    assert names == [("AAAAAAAAAAAAAAAAAAAAAB",), ("user:ann",)]
    likers = connection.execute("SELECT actor_name(actor) FROM post_likes WHERE shard = %s", [SHARD]).fetchall()
    assert sorted(likers) == sorted((actor,) for actor in actors)


def test_a_name_that_is_not_the_actors_is_refused(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="actor_is_key_of_name"):
        connection.execute("INSERT INTO actors (actor, name) VALUES (actor_key('user:ann'), 'user:ben')")


def test_flushers_that_store_the_same_new_actors_do_not_deadlock(stores: Stores) -> None:
    users = [f"user:{at}" for at in range(400)]
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(commit, stores, SHARD, 1, users)
        other = pool.submit(commit, stores, OTHER_SHARD, 1, users[::-1])
        assert [list(outcome.result().counts.values()) for outcome in (one, other)] == [[(400, 1)], [(400, 1)]]


def test_columns_that_are_absent_cost_nothing(stores: Stores, connection: psycopg.Connection) -> None:
    commit(stores, SHARD, 1, [VISITOR])
    # 24 bytes of header and 31 of columns, one byte less than the next multiple of eight.
    assert connection.execute("SELECT pg_column_size(post_likes.*) FROM post_likes").fetchone() == (55,)


def test_a_like_keeps_its_attributes_and_an_unlike_clears_them(stores: Stores, connection: psycopg.Connection) -> None:
    attributes = "SELECT visibility, variant, liked_at FROM post_likes"
    commit(stores, SHARD, 10, [VISITOR])
    connection.execute("UPDATE post_likes SET visibility = 'a', variant = 7, liked_at = 3")
    commit(stores, SHARD, 11, [VISITOR])
    assert connection.execute(attributes).fetchone() == ("a", 7, 3)
    commit(stores, SHARD, 12, [VISITOR], liked=False)
    assert connection.execute(attributes).fetchone() == (None, None, None)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("state = 'x'", "state_is_known"),
        ("visibility = 'x'", "visibility_is_known"),
        ("variant = 0", "variant_is_positive"),
        ("liked_at = 0", "liked_at_is_before_version"),
        ("liked_at = version", "liked_at_is_before_version"),
        ("state = 'u', visibility = 'p'", "unlike_has_no_attributes"),
        ("state = 'u', liked_at = 1", "unlike_has_no_attributes"),
    ],
)
def test_a_row_without_meaning_is_refused(
    stores: Stores, connection: psycopg.Connection, change: str, constraint: str
) -> None:
    commit(stores, SHARD, 10, [VISITOR])
    with pytest.raises(psycopg.errors.CheckViolation, match=constraint):
        connection.execute(f"UPDATE post_likes SET {change}".encode())


@pytest.mark.parametrize("change", ["state = 'h'", "state = 'u'", "visibility = 'c', variant = 32767, liked_at = 1"])
def test_a_row_with_a_meaning_is_accepted(stores: Stores, connection: psycopg.Connection, change: str) -> None:
    commit(stores, SHARD, 10, [VISITOR])
    assert connection.execute(f"UPDATE post_likes SET {change}".encode()).rowcount == 1


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ("'a-post', 'blog', NULL", "site_is_part_of_post"),
        ("'a-post', NULL, 0", "hidden_is_positive"),
        (r"E'blog\x1fa-post', 'blog', 1", ""),
        ("'a-post', NULL, NULL", ""),
    ],
)
def test_a_post_names_its_site_and_its_hidden_likes(
    connection: psycopg.Connection, values: str, constraint: str
) -> None:
    insert = f"INSERT INTO posts (shard, post_id, post, site, hidden) VALUES ({SHARD}, 1, {values})".encode()
    if not constraint:
        assert connection.execute(insert).rowcount == 1
        return
    with pytest.raises(psycopg.errors.CheckViolation, match=constraint):
        connection.execute(insert)


def test_a_clock_far_ahead_refuses_no_like(stores: Stores) -> None:
    year_2150 = 5_680_281_600_000_000
    assert commit(stores, SHARD, year_2150, [VISITOR, "user:ann"]).version == year_2150 + 1


@pytest.mark.parametrize("block", blocks_in("sql"), ids=str)
def test_the_queries_of_the_documentation_find_a_like(
    stores: Stores, connection: psycopg.Connection, block: CodeBlock
) -> None:
    commit(stores, SHARD, 1_790_000_000_000_000, ["user:ann"])
    connection.execute("UPDATE posts SET post = 'hello'")
    found = [connection.execute(query.encode()).fetchall() for query in block.text.split(";") if query.strip()]
    assert [rows[0][0] for rows in found] == ["hello", "user:ann"]


def test_the_page_about_the_tables_names_each_column(connection: psycopg.Connection) -> None:
    page = (ROOT / "docs/reference/database.md").read_text("utf-8")
    query = "SELECT column_name FROM information_schema.columns WHERE table_name = ANY(%s)"
    columns = connection.execute(query, [["post_likes", "posts", "actors"]])
    assert not {name for (name,) in columns if f"`{name}`" not in page}
