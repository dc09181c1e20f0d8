"""A surviving mutant is found in mutmut's output, and is explained by its function and the line that it adds."""

import pytest

from tests.support.runner.mutants import is_explained, place, survivors

RESULTS = """
    service.core.queue.x_pending__mutmut_1: no tests
    service.core.queue.x_sums__mutmut_2: survived
    service.core.queue.x_sums__mutmut_3: not checked
"""
DIFF = """--- service/core/queue.py
+++ service/core/queue.py
@@ -1,2 +1,2 @@
     unchanged
-    return a < b
+    return a <= b
"""


def test_survivors_are_those_that_no_test_killed() -> None:
    assert list(survivors(RESULTS)) == ["service.core.queue.x_pending__mutmut_1", "service.core.queue.x_sums__mutmut_2"]


@pytest.mark.parametrize(
    ("diff", "row", "explained"),
    [
        (DIFF, "| `queue.sums` | `return a <= b` | never equal |", True),
        (DIFF, "| `queue.sums` | `return a < b` | never equal |", False),
        # The same line of another function.
        (DIFF, "| `queue.pending` | `return a <= b` | never equal |", False),
        ("", "| `queue.sums` | `return a <= b` | never equal |", False),
    ],
)
def test_a_mutant_is_explained_by_its_function_and_its_line(diff: str, row: str, explained: bool) -> None:
    assert is_explained("service.core.queue.x_sums__mutmut_2", diff, row) == explained


def test_a_method_is_named_without_its_class() -> None:
    name = "service.ratelimit.sliding_window.xǁSlidingWindowǁ_move__mutmut_6"
    assert place(name) == "sliding_window._move"
