"""Folding a batch and what settling takes off: pure."""

from service.flusher import Batch, Entry


def entry(version: int, post: str, actor: str, *, liked: bool, weight: int) -> Entry:
    return Entry(f"{version}-0", version, post, actor, liked, weight)


BATCH = Batch(
    shard=3,
    life=1,
    entries=[
        entry(10, "p", "anna", liked=True, weight=1),
        entry(11, "p", "ben", liked=True, weight=1),
        entry(12, "q", "anna", liked=True, weight=1),
        entry(13, "p", "anna", liked=False, weight=-1),
        entry(14, "q", "ben", liked=False, weight=0),
    ],
)


def test_the_last_wish_of_each_actor_and_post_is_stored() -> None:
    assert {(one.post, one.actor): (one.liked, one.version) for one in BATCH.folded()} == {
        ("p", "anna"): (False, 13),
        ("p", "ben"): (True, 11),
        ("q", "anna"): (True, 12),
        ("q", "ben"): (False, 14),
    }
    assert len(BATCH.folded()) == 4


def test_settling_takes_off_every_entry_also_the_folded() -> None:
    assert BATCH.sums() == {"p": (1, 3), "q": (1, 2)}
    assert BATCH.last_version == 14
