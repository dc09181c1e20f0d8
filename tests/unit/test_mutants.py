"""A surviving mutant is found in mutmut's output, and is explained by the line that it adds."""

from tests.support.runner.mutants import is_explained, survivors

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


def test_a_mutant_is_explained_by_its_line() -> None:
    assert is_explained(DIFF, "| `return a <= b` | never equal |")
    assert not is_explained(DIFF, "| `return a < b` | never equal |")
    assert not is_explained("", "| `return a <= b` | never equal |")
