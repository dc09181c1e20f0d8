"""The constants of the decision: their order, and their page of the reference."""

import re
from pathlib import Path

import pytest

from autoscaler.policy.tuning import Tuning
from autoscaler.settings import PREFIX, RENAMED

PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "autoscaler-tuning.md").read_text("utf-8")


def test_the_reference_lists_every_constant_with_its_default():
    rows = re.findall(r"^\| `(\w+)` \| `([\d.]+)` \| (.+) \|$", PAGE, re.MULTILINE)
    fields = Tuning.model_fields.items()
    assert rows == [(name, f"{field.default:g}", field.description) for name, field in fields]


def test_the_reference_lists_every_old_name():
    rows = re.findall(r"^\| `(\w+)` \| `([a-z]\w+)` \|$", PAGE, re.MULTILINE)
    assert rows == [
        (old.removeprefix(PREFIX).lower(), new.removeprefix(PREFIX).lower()) for old, new in RENAMED.items()
    ]


def test_the_scale_up_threshold_must_not_be_below_the_target():
    with pytest.raises(ValueError, match=r"target_utilization 0.9 is above scale_up_utilization 0.71"):
        Tuning(target_utilization=0.9)
