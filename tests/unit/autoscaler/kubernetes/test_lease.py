"""Who leads, by tables with a clock of their own: never two, never long nobody."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.errors import ClusterUnavailableError, ConflictError, ThrottledError
from autoscaler.kubernetes.lease import Lease, Record, Times
from tests.support.ratelimit_pods import Clock
from tests.support.waiting import wait_for

TIMES = Times(duration_s=8, every_s=1, request_s=2)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class FakeRecords:
    """One Lease; each write another `renewTime`, whatever the writers' clocks say."""

    def __init__(self) -> None:
        self.record = Record("", None)
        self.away = False
        self.throttled = 0
        self.writes = 0

    def read(self) -> Record:
        if self.away:
            raise ClusterUnavailableError("away")
        if self.throttled:
            self.throttled -= 1
            raise ThrottledError("busy", retry_after_s=86_400)
        return self.record

    def write(self, record: Record, holder: str, duration_s: float) -> None:
        if self.away:
            raise ClusterUnavailableError("away")
        if record.version != self.record.version:
            raise ConflictError("changed")
        self.writes += 1
        self.record = Record(holder, NOON + timedelta(seconds=self.writes), 0, str(self.writes), duration_s)


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def records() -> FakeRecords:
    return FakeRecords()


def lease(records: FakeRecords, me: str, clock: Clock) -> Lease:
    return Lease(records, me, TIMES, clock)


def test_the_first_leads_and_the_second_waits(records, clock):
    one, two = lease(records, "one", clock), lease(records, "two", clock)
    for candidate in (one, two):
        candidate.attempt()
    assert (one.held, two.held, two.holder) == (True, False, "one")


def test_a_leader_that_renews_is_never_replaced(records, clock):
    one, two = lease(records, "one", clock), lease(records, "two", clock)
    for _ in range(60):
        clock.now += 1
        one.attempt()
        two.attempt()
        assert (one.held, two.held) == (True, False)


def test_it_holds_until_one_request_before_its_end(records, clock):
    one = lease(records, "one", clock)
    one.attempt()
    clock.now += 5.9
    assert one.held
    clock.now += 0.2
    assert not one.held


def test_a_silent_leader_is_replaced_within_ten_seconds(records, clock):
    one, two = lease(records, "one", clock), lease(records, "two", clock)
    one.attempt()
    silent_s = 0.0
    while not two.held:
        two.attempt()
        clock.now += TIMES.every_s
        silent_s += TIMES.every_s
    assert silent_s <= 10
    assert not one.held


def test_one_that_was_stopped_does_not_take_back_what_another_has(records, clock):
    one, two = lease(records, "one", clock), lease(records, "two", clock)
    one.attempt()
    two.attempt()
    clock.now += 9
    two.attempt()
    assert not one.held
    one.attempt()
    assert (one.held, two.held) == (False, True)


def test_a_busy_api_server_is_asked_again_before_the_lease_is_over(records):
    one = Lease(records, "one", Times(duration_s=2, every_s=0.05, request_s=0.2))
    one.start()
    try:
        wait_for(lambda: one.held)
        records.throttled = 1
        wait_for(lambda: not records.throttled)
        writes = records.writes
        wait_for(lambda: records.writes > writes or not one.held)
        assert one.held
    finally:
        one.close()


def test_of_two_that_try_at_once_one_leads(records, clock):
    one, two = lease(records, "one", clock), lease(records, "two", clock)
    before = records.record
    one.attempt()
    after, records.record = records.record, before
    read = records.read()
    records.record = after
    records.read = lambda: read  # what the second had read before the first wrote
    with pytest.raises(ConflictError):
        two.attempt()
    assert (one.held, two.held) == (True, False)


def test_while_the_api_server_is_away_a_leader_ends_in_time(records, clock):
    one = lease(records, "one", clock)
    one.attempt()
    records.away = True
    clock.now += 3
    with pytest.raises(ClusterUnavailableError):
        one.attempt()
    assert one.held
    clock.now += 4
    assert not one.held


def test_a_leader_that_ends_gives_it_back(records, clock):
    one, two = lease(records, "one", clock), lease(records, "two", clock)
    one.attempt()
    one.close()
    assert not one.held
    two.attempt()
    assert two.held


def test_wall_clocks_do_not_matter(records, clock):
    one, two = lease(records, "one", clock), lease(records, "two", clock)
    one.attempt()
    records.record = replace(records.record, renewed=NOON - timedelta(days=1))
    two.attempt()
    assert not two.held  # however old it says to be, it was seen just now


@given(st.lists(st.tuples(st.sampled_from(["one", "two", "three"]), st.floats(0, 4), st.booleans()), max_size=80))
def test_never_two_lead(steps):
    clock, records = Clock(100.0), FakeRecords()
    candidates = {name: lease(records, name, clock) for name in ("one", "two", "three")}
    for name, passed, away in steps:
        clock.now += passed
        records.away = away
        try:
            candidates[name].attempt()
        except (ClusterUnavailableError, ConflictError):
            continue
        finally:
            assert sum(candidate.held for candidate in candidates.values()) <= 1
