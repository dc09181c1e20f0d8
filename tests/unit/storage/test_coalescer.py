"""Group commit: waiting calls share a batch, and each call gets its own outcome."""

import subprocess
import sys
import threading
from dataclasses import dataclass

import pytest

from service.storage.coalescer import Coalescer


@dataclass
class Item:
    number: int
    outcome: int | None = None


def test_calls_that_wait_for_a_slow_batch_share_the_next() -> None:
    batches: list[list[int]] = []
    entered, go_on = threading.Event(), threading.Event()

    def run(items: list[Item]) -> None:
        batches.append([item.number for item in items])
        entered.set()
        assert go_on.wait(10)
        for item in items:
            item.outcome = item.number * 2

    coalescer = Coalescer(run)
    items = [Item(number) for number in range(9)]
    threads = [threading.Thread(target=coalescer.submit, args=([item],)) for item in items]
    threads[0].start()
    assert entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(coalescer._waiting) < 8:
        threading.Event().wait(0.001)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert [item.outcome for item in items] == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert (batches[0], sorted(batches[1])) == ([0], list(range(1, 9)))


def test_a_batch_is_bounded() -> None:
    sizes: list[int] = []
    started, go_on = threading.Event(), threading.Event()

    def run(items: list[Item]) -> None:
        sizes.append(len(items))
        started.set()
        assert go_on.wait(10)

    coalescer = Coalescer(run, max_calls=4)
    threads = [threading.Thread(target=coalescer.submit, args=([Item(number)],)) for number in range(11)]
    threads[0].start()
    assert started.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(coalescer._waiting) < 10:
        threading.Event().wait(0.001)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert sizes == [1, 4, 4, 2]


def test_an_exception_does_not_block_the_next_batch() -> None:
    def run(items: list[Item]) -> None:
        if items[0].number == 0:
            raise ZeroDivisionError
        items[0].outcome = 1

    coalescer = Coalescer(run)
    with pytest.raises(ZeroDivisionError):
        coalescer.submit([Item(0)])
    item = Item(1)
    coalescer.submit([item])
    assert item.outcome == 1


AT_ONCE = """
from gevent import monkey
monkey.patch_all()
import gevent
from service.storage.coalescer import Coalescer
batches = []
def run(items):
    batches.append(sorted(items))
    gevent.sleep(0.01)
coalescer = Coalescer(run)
gevent.joinall([gevent.spawn(coalescer.submit, [number]) for number in range(5)], raise_error=True)
print(batches)
"""


def test_greenlets_that_are_ready_together_share_a_batch() -> None:
    done = subprocess.run([sys.executable, "-c", AT_ONCE], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[[0, 1, 2, 3, 4]]"
