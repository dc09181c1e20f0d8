"""The election of a leader, with a fake clock: there are never two leaders, and never none for long."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.errors import ClusterUnavailableError, ConflictError, ThrottledError
from autoscaler.kubernetes.leader_election import LeaderElector, LeaseTiming
from autoscaler.kubernetes.lease import LeaseRecord
from tests.support.ratelimit_pods import Clock
from tests.support.waiting import wait_for

TIMING = LeaseTiming(duration_s=8, every_s=1, request_s=2)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class FakeLease:
    """A Lease in memory. Each write sets a new `renewTime`, even if the writers' clocks stand still."""

    def __init__(self) -> None:
        self.record = LeaseRecord("", None)
        self.away = False
        self.throttled = 0
        self.writes = 0

    def read(self) -> LeaseRecord:
        if self.away:
            raise ClusterUnavailableError("away")
        if self.throttled:
            self.throttled -= 1
            raise ThrottledError("busy", retry_after_s=86_400)
        return self.record

    def write(self, record: LeaseRecord, holder: str, duration_s: float) -> None:
        if self.away:
            raise ClusterUnavailableError("away")
        if record.version != self.record.version:
            raise ConflictError("changed")
        self.writes += 1
        self.record = LeaseRecord(holder, NOON + timedelta(seconds=self.writes), 0, str(self.writes), duration_s)


@pytest.fixture
def clock() -> Clock:
    return Clock(100.0)


@pytest.fixture
def records() -> FakeLease:
    return FakeLease()


def elector(records: FakeLease, identity: str, clock: Clock) -> LeaderElector:
    return LeaderElector(records, identity, TIMING, clock)


def test_the_first_leads_and_the_second_waits(records, clock):
    one, two = elector(records, "one", clock), elector(records, "two", clock)
    for candidate in (one, two):
        candidate.acquire_or_renew()
    assert (one.is_leader, two.is_leader, two.holder) == (True, False, "one")


def test_a_leader_that_renews_is_never_replaced(records, clock):
    one, two = elector(records, "one", clock), elector(records, "two", clock)
    for _ in range(60):
        clock.now += 1
        one.acquire_or_renew()
        two.acquire_or_renew()
        assert (one.is_leader, two.is_leader) == (True, False)


def test_leadership_ends_one_request_before_the_lease(records, clock):
    one = elector(records, "one", clock)
    one.acquire_or_renew()
    clock.now += 5.9
    assert one.is_leader
    clock.now += 0.2
    assert not one.is_leader


def test_a_silent_leader_is_replaced_within_ten_seconds(records, clock):
    one, two = elector(records, "one", clock), elector(records, "two", clock)
    one.acquire_or_renew()
    silent_s = 0.0
    while not two.is_leader:
        two.acquire_or_renew()
        clock.now += TIMING.every_s
        silent_s += TIMING.every_s
    assert silent_s <= 10
    assert not one.is_leader


def test_a_replica_that_was_stopped_does_not_take_the_lease_back(records, clock):
    one, two = elector(records, "one", clock), elector(records, "two", clock)
    one.acquire_or_renew()
    two.acquire_or_renew()
    clock.now += 9
    two.acquire_or_renew()
    assert not one.is_leader
    one.acquire_or_renew()
    assert (one.is_leader, two.is_leader) == (False, True)


def test_a_throttled_renewal_is_tried_again_before_the_lease_ends(records):
    one = LeaderElector(records, "one", LeaseTiming(duration_s=2, every_s=0.05, request_s=0.2))
    one.start()
    try:
        wait_for(lambda: one.is_leader)
        records.throttled = 1
        wait_for(lambda: not records.throttled)
        writes = records.writes
        wait_for(lambda: records.writes > writes or not one.is_leader)
        assert one.is_leader
    finally:
        one.close()


def test_one_of_two_simultaneous_candidates_leads(records, clock):
    one, two = elector(records, "one", clock), elector(records, "two", clock)
    before = records.record
    one.acquire_or_renew()
    after, records.record = records.record, before
    read = records.read()
    records.record = after
    # The second had read the lease before the first wrote it.
    records.read = lambda: read
    with pytest.raises(ConflictError):
        two.acquire_or_renew()
    assert (one.is_leader, two.is_leader) == (True, False)


def test_leadership_ends_in_time_if_the_api_server_does_not_answer(records, clock):
    one = elector(records, "one", clock)
    one.acquire_or_renew()
    records.away = True
    clock.now += 3
    with pytest.raises(ClusterUnavailableError):
        one.acquire_or_renew()
    assert one.is_leader
    clock.now += 4
    assert not one.is_leader


def test_a_leader_that_stops_releases_the_lease(records, clock):
    one, two = elector(records, "one", clock), elector(records, "two", clock)
    one.acquire_or_renew()
    one.close()
    assert not one.is_leader
    two.acquire_or_renew()
    assert two.is_leader


def test_wall_clocks_do_not_matter(records, clock):
    one, two = elector(records, "one", clock), elector(records, "two", clock)
    one.acquire_or_renew()
    records.record = replace(records.record, renewed=NOON - timedelta(days=1))
    two.acquire_or_renew()
    # The record claims to be a day old, but it changed just now.
    assert not two.is_leader


@given(st.lists(st.tuples(st.sampled_from(["one", "two", "three"]), st.floats(0, 4), st.booleans()), max_size=80))
def test_there_are_never_two_leaders(steps):
    clock, records = Clock(100.0), FakeLease()
    candidates = {name: elector(records, name, clock) for name in ("one", "two", "three")}
    for name, passed, away in steps:
        clock.now += passed
        records.away = away
        try:
            candidates[name].acquire_or_renew()
        except (ClusterUnavailableError, ConflictError):
            continue
        finally:
            assert sum(candidate.is_leader for candidate in candidates.values()) <= 1
