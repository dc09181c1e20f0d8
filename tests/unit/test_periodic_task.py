"""A periodic task calls its work until it is closed, even if the work fails."""

from threading import Event

from service.periodic_task import PeriodicTask
from tests.support.waiting import wait_for


def test_the_work_is_called_again_and_again_until_close():
    calls: list[int] = []
    task = PeriodicTask("test", lambda: calls.append(1), every_s=0.001)
    task.start()
    wait_for(lambda: len(calls) > 2)
    task.close()
    assert not task.is_running
    before = len(calls)
    task.start()
    assert not task.is_running
    assert len(calls) == before


def test_a_failing_call_does_not_end_the_task():
    calls: list[int] = []

    def fail() -> float:
        calls.append(1)
        raise ValueError("no")

    task = PeriodicTask("test", fail, every_s=0.001)
    task.start()
    wait_for(lambda: len(calls) > 2)
    task.close()


def test_the_work_sets_the_next_call_and_wake_ends_the_pause():
    called = Event()

    def work() -> float:
        called.set()
        return 3_600

    task = PeriodicTask("test", work, every_s=0.001)
    task.start()
    assert called.wait(15)
    called.clear()
    task.wake()
    assert called.wait(15)
    task.close()
    assert not task.is_running


def test_a_second_start_does_not_start_a_second_thread():
    begun: list[int] = []
    release = Event()

    def work() -> None:
        begun.append(1)
        release.wait(15)

    task = PeriodicTask("test", work, every_s=3_600)
    task.start()
    task.start()
    wait_for(lambda: begun)
    release.set()
    task.close()
    assert begun == [1]


def test_a_task_that_was_never_started_can_be_closed():
    PeriodicTask("test", lambda: None, every_s=1).close()
