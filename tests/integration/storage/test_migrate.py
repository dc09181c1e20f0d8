"""Migrations of all databases, which are safe to run twice and at the same time."""

import threading
from collections.abc import Iterator

import psycopg
import pytest

from service.bootstrap.stores import create_likes, open_stores
from service.core.queue import Batch, CommitResult, Entry, FencedError
from service.devstack.postgres import PostgresServer
from service.errors import ConfigurationError, LikeStoreUnavailableError
from service.storage.postgres.migrate import migrate, pending
from service.storage.postgres.queries import query
from service.storage.postgres.schema import migrations
from service.storage.postgres.shard_map import parse_shard_map
from tests.support.earlier.installation import install
from tests.support.stack.faults import post_in
from tests.support.stack.servers import SHARDS, Servers, with_empty_databases
from tests.support.waiting import wait_for


@pytest.fixture
def empty(servers: Servers) -> Servers:
    """Create two databases, apart from those of the other tests."""
    return with_empty_databases(servers)


def test_migrate_runs_twice_and_at_the_same_time(empty: Servers) -> None:
    done: list[list[str]] = []
    threads = [threading.Thread(target=lambda: done.append(migrate(empty.settings))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [line for one in done for line in one]
    assert len(done) == 3
    assert sum("0001 pre initial" in line for line in lines) == 2
    assert sum("shards added" in line for line in lines) == 2
    assert migrate(empty.settings) == []


def test_pending_migrations_are_listed_and_not_applied(empty: Servers) -> None:
    left = pending(empty.settings)
    assert sum("0001 pre initial" in line for line in left) == 2
    assert pending(empty.settings) == left
    assert not any(" post " in line for line in pending(empty.settings, ("pre",)))
    migrate(empty.settings)
    assert pending(empty.settings) == []


def _drop(server: PostgresServer) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("DROP DATABASE fresh WITH (FORCE)")
        connection.execute("CREATE DATABASE fresh")


def test_an_emptied_database_is_not_taken_for_a_new_one(empty: Servers) -> None:
    migrate(empty.settings)
    _drop(empty.postgres[1])
    with pytest.raises(ConfigurationError, match=r"/fresh is empty, but according to \S+/fresh this"):
        migrate(empty.settings)
    with open_stores(empty.settings) as stores:
        assert [sentence.partition(" is ")[2] for sentence in stores.like_store.check()] == [
            "not prepared: run `likewise migrate`"
        ]
    lines = migrate(empty.settings, accept_empty=True)
    assert f"{SHARDS // 2} shards added" in lines[-1]
    assert migrate(empty.settings) == []


def test_an_interrupted_installation_is_completed(empty: Servers) -> None:
    migrate(empty.settings)
    first = parse_shard_map(empty.settings.shard_map, SHARDS)[0]
    with psycopg.connect(first.url, autocommit=True) as connection:
        connection.execute("UPDATE install SET id = NULL, complete = false")
    _drop(empty.postgres[1])
    assert any("shards added" in line for line in migrate(empty.settings))


def test_databases_of_two_installations_are_refused(empty: Servers) -> None:
    migrate(empty.settings)
    with psycopg.connect(parse_shard_map(empty.settings.shard_map, SHARDS)[1].url, autocommit=True) as connection:
        connection.execute("UPDATE install SET id = gen_random_uuid()")
    with pytest.raises(ConfigurationError, match="databases of different installations"):
        migrate(empty.settings)


def test_another_number_of_shards_is_refused(empty: Servers) -> None:
    migrate(empty.settings)
    one_database = empty.settings.shard_map.split("=", 1)[1].split()[0]
    other = empty.with_settings(shards=2 * SHARDS, shard_map=f"0-{2 * SHARDS - 1}={one_database}")
    with pytest.raises(ConfigurationError, match=f"installed with {SHARDS} shards"):
        migrate(other)


def test_the_error_names_a_database_that_does_not_answer(servers: Servers) -> None:
    away = servers.with_settings(shard_map=f"0-{SHARDS - 1}=postgresql://127.0.0.1:1/x")
    with pytest.raises(LikeStoreUnavailableError, match=r"127\.0\.0\.1:1/x"):
        migrate(away)


def _applied_by_a_newer_image(servers: Servers, phase: str) -> None:
    for shard_range in parse_shard_map(servers.settings.shard_map, SHARDS):
        with psycopg.connect(shard_range.url, autocommit=True) as connection:
            connection.execute("INSERT INTO migrations (number, phase, name) VALUES (9001, %s, 'later')", [phase])


def _like(servers: Servers) -> int:
    with open_stores(servers.settings) as stores:
        return create_likes(stores).like("a-post", "user:ann").count


def test_a_pre_migration_of_a_newer_image_is_accepted(empty: Servers) -> None:
    migrate(empty.settings)
    _applied_by_a_newer_image(empty, "pre")
    assert migrate(empty.settings) == []
    assert _like(empty) == 1


def test_a_post_migration_of_a_newer_image_is_refused(empty: Servers) -> None:
    migrate(empty.settings)
    _applied_by_a_newer_image(empty, "post")
    with pytest.raises(
        ConfigurationError, match="newer than this image: it has migration 9001 post later, and can't go back"
    ):
        migrate(empty.settings)
    with pytest.raises(LikeStoreUnavailableError, match="newer than this image: it has migration 9001 post later"):
        _like(empty)


def test_a_database_without_tables_is_reported_and_used_once_migrated(empty: Servers) -> None:
    with open_stores(empty.settings) as stores:
        likes = create_likes(stores)
        with pytest.raises(LikeStoreUnavailableError, match=r"/fresh is not prepared: run `likewise migrate`"):
            likes.like("a-post", "user:ann")
        assert "is not prepared" in stores.like_store.check()[0]
        migrate(empty.settings)
        wait_for(lambda: not stores.like_store.check())
        assert likes.like("a-post", "user:ann").count == 1


def test_databases_swapped_in_the_shard_map_are_refused(empty: Servers) -> None:
    migrate(empty.settings)
    first, second = (shard_range.url for shard_range in parse_shard_map(empty.settings.shard_map, SHARDS))
    half = SHARDS // 2
    exchanged = f"0-{half - 1}={second} {half}-{SHARDS - 1}={first}"
    swapped = Servers(empty.valkey, empty.postgres, empty.with_settings(shard_map=exchanged))
    message = rf"gives Postgres \S+ the shards 0 to {half - 1}, and it holds shards {half} to {SHARDS - 1}"
    with pytest.raises(ConfigurationError, match=message):
        migrate(swapped.settings)
    with pytest.raises(LikeStoreUnavailableError, match="LIKEWISE_SHARD_MAP gives Postgres"):
        _like(swapped)


def test_a_migration_does_not_wait_long_for_a_session_that_uses_a_table(
    empty: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(empty.settings)
    monkeypatch.setattr("service.storage.postgres.migrate._LOCK_TIMEOUT_MS", 50)
    with psycopg.connect(parse_shard_map(empty.settings.shard_map, SHARDS)[0].url) as session:
        session.execute("SELECT FROM posts")
        with pytest.raises(LikeStoreUnavailableError, match="/fresh: another session uses a table"):
            migrate(empty.settings)
    assert any("0004 pre post_likes" in line for line in migrate(empty.settings))


def test_a_migration_is_refused_while_an_earlier_one_is_missing(empty: Servers) -> None:
    install(empty.settings)
    with pytest.raises(ConfigurationError, match=r"/fresh lacks migration 0004 pre post_likes: run .* --phase pre"):
        migrate(empty.settings, ("post",))
    assert sum(" pre " in line for line in migrate(empty.settings, ("pre",))) == 6
    assert sum(" post " in line for line in migrate(empty.settings, ("post",))) == 2


# Statements of the release before `shards.life` became `shards.epoch`.
OLD_ACQUIRE = (
    "UPDATE shards SET life = life + (name <> %(name)s)::integer, name = %(name)s WHERE shard = %(shard)s"
    " RETURNING life, ver"
)
OLD_LOCK = "SELECT shard, life, state FROM shards WHERE shard = ANY(%(shards)s) ORDER BY shard FOR UPDATE"


@pytest.fixture
def connection(empty: Servers) -> Iterator[psycopg.Connection]:
    """Yield a connection to a migrated database, which holds shard 0."""
    migrate(empty.settings)
    with psycopg.connect(parse_shard_map(empty.settings.shard_map, SHARDS)[0].url, autocommit=True) as connection:
        yield connection


def _epochs(connection: psycopg.Connection) -> tuple[int, int]:
    """Return both columns of shard 0: (life, epoch)."""
    return connection.execute("SELECT life, epoch FROM shards WHERE shard = 0").fetchone()


def test_the_epoch_keeps_its_value_when_the_column_is_added(connection: psycopg.Connection) -> None:
    connection.execute("ALTER TABLE shards DROP COLUMN epoch CASCADE")
    connection.execute("DROP TRIGGER shards_sync_epoch_insert ON shards")
    connection.execute("DROP FUNCTION shards_sync_epoch CASCADE")
    connection.execute("UPDATE shards SET life = 7")
    connection.execute(migrations()[2].text.encode())
    assert _epochs(connection) == (7, 7)


def test_old_and_new_statements_acquire_epochs_in_one_sequence(connection: psycopg.Connection) -> None:
    def acquire(statement: object, name: str) -> int:
        return connection.execute(statement, {"shard": 0, "name": name}).fetchone()[0]

    new = query("acquire_epoch")
    assert [acquire(OLD_ACQUIRE, "a"), acquire(new, "b"), acquire(OLD_ACQUIRE, "c")] == [1, 2, 3]
    assert _epochs(connection) == (3, 3)
    # The name has its epoch already, so both releases return the same one.
    assert [acquire(new, "c"), acquire(OLD_ACQUIRE, "c")] == [3, 3]


def test_a_shard_added_by_either_release_has_both_columns(connection: psycopg.Connection) -> None:
    connection.execute("DELETE FROM shards WHERE shard IN (0, 1)")
    connection.execute("INSERT INTO shards (shard, life) VALUES (0, 4)")
    connection.execute("INSERT INTO shards (shard, epoch) VALUES (1, 5)")
    rows = connection.execute("SELECT life, epoch FROM shards WHERE shard IN (0, 1) ORDER BY shard").fetchall()
    assert rows == [(4, 4), (5, 5)]


def test_an_epoch_written_to_both_columns_does_not_go_back(connection: psycopg.Connection) -> None:
    connection.execute("UPDATE shards SET life = 9, epoch = 3 WHERE shard = 0")
    assert _epochs(connection) == (9, 9)


def test_other_updates_do_not_call_the_trigger(connection: psycopg.Connection) -> None:
    connection.execute("ALTER FUNCTION shards_sync_epoch() RENAME TO shards_sync_epoch_off")
    connection.execute(
        "CREATE OR REPLACE FUNCTION shards_sync_epoch_off() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'called'; END $$"
    )
    connection.execute("UPDATE shards SET ver = 12, next_id = 3, name = 'x' WHERE shard = 0")
    with pytest.raises(psycopg.errors.RaiseException, match="called"):
        connection.execute("UPDATE shards SET life = 1 WHERE shard = 0")


def test_fencing_holds_across_both_releases(empty: Servers, connection: psycopg.Connection) -> None:
    with open_stores(empty.settings) as stores:
        post = post_in(0, SHARDS)

        def commit(epoch: int, version: int) -> object:
            entry = Entry(f"{version}-0", version, post, "user:ann", True, 1)
            [outcome] = stores.like_store.commit([Batch(0, epoch, [entry])])
            return type(outcome)

        epoch, _ = stores.like_store.acquire_epoch(0, "new-release")
        assert commit(epoch, 1) is CommitResult
        # A flusher of the earlier release takes over, and fences off this one.
        old_epoch, _ = connection.execute(OLD_ACQUIRE, {"shard": 0, "name": "old-release"}).fetchone()
        assert commit(epoch, 2) is FencedError
        assert commit(old_epoch, 3) is CommitResult
        # This release takes over again. The earlier one reads an epoch that is not its own.
        newer_epoch, _ = stores.like_store.acquire_epoch(0, "new-release-again")
        assert connection.execute(OLD_LOCK, {"shards": [0]}).fetchone() == (0, newer_epoch, "here")
        assert newer_epoch > old_epoch > epoch
        assert commit(old_epoch, 4) is FencedError
