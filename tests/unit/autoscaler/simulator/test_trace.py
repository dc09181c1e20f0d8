"""Traces: what is read, and the sentence for what can't be."""

import pytest

from autoscaler.errors import TraceError
from autoscaler.simulator.model.trace import Curve, read


def written(folder, *rows: str, header: str = "timestamp,value"):
    path = folder / "trace.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_seconds_and_dates_are_times_and_values_are_scaled(tmp_path):
    dates = read(written(tmp_path, "2026-03-29 00:55:00,1", "2026-03-29 01:00:00,2", "2026-03-29 01:05:00,0"), scale=10)
    seconds = read(written(tmp_path, "100,1", "400,2", "700,0"), scale=10)
    assert dates.demand == seconds.demand == Curve((0, 300, 600), (10, 20, 0))
    assert seconds.demand.at(150) == 15


def test_rises_may_be_at_the_edge_of_their_bin(tmp_path):
    demand = read(written(tmp_path, "0,1", "300,3", "600,1"), edges=True).demand
    assert [demand.at(time) for time in (0, 150, 300, 450, 600)] == [3, 3, 3, 2, 1]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["0,1", "300,-2"], "trace.csv, line 3: the value must be 0 or more, not -2"),
        (["0,1", "300,nan"], "trace.csv, line 3: the value must be 0 or more, not nan"),
        (["0,1", "300,many"], "trace.csv, line 3: 'many' is no number"),
        (["0,1", "soon,2"], "trace.csv, line 3: 'soon' is no time; seconds or ISO 8601 would be"),
        (["0,1", "inf,2"], "trace.csv, line 3: 'inf' is no time"),
        (["0,1", "300,1", "200,1"], "trace.csv, line 4: the time is not after the one of the line before"),
        (["0,1", "0,1"], "trace.csv, line 3: the time is not after the one of the line before"),
        (["0,1", "10,1", "20,1", "60,1"], "trace.csv, line 5: 40 s after the line before, 10 s is usual: a gap"),
        (["0,1", "10,1,1"], "trace.csv, line 3: must have 2 columns, not 3"),
        (["0,1"], "trace.csv: has 1 rows; at least 2 are needed"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, rows, sentence):
    with pytest.raises(TraceError) as caught:
        read(written(tmp_path, *rows))
    assert str(caught.value) == sentence


def test_a_header_is_needed(tmp_path):
    with pytest.raises(TraceError, match="line 1: must be `timestamp,value`, not `time,likes`"):
        read(written(tmp_path, "0,1", header="time,likes"))


def test_files_that_are_none_are_said(tmp_path):
    with pytest.raises(TraceError, match="can't be read"):
        read(tmp_path / "absent.csv")
    (tmp_path / "picture.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TraceError, match="can't be read"):
        read(tmp_path / "picture.csv")


def test_the_highest_of_a_span_counts_its_points():
    demand = Curve((0, 10, 10, 20), (0, 5, 50, 0))
    assert demand.most(0, 9) == 4.5
    assert demand.most(0, 10) == 50
    assert demand.most(15, 20) == 25
