"""Reading traces, and the error messages for invalid files."""

import pytest

from autoscaler.errors import TraceError
from autoscaler.simulator.model.trace import Curve, read_trace


def write_csv(folder, *rows: str, header: str = "timestamp,value"):
    path = folder / "trace.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_timestamps_are_seconds_or_dates_and_values_are_scaled(tmp_path):
    dates = read_trace(
        write_csv(tmp_path, "2026-03-29 00:55:00,1", "2026-03-29 01:00:00,2", "2026-03-29 01:05:00,0"), scale=10
    )
    seconds = read_trace(write_csv(tmp_path, "100,1", "400,2", "700,0"), scale=10)
    assert dates.demand == seconds.demand == Curve((0, 300, 600), (10, 20, 0))
    assert seconds.demand.at(150) == 15


def test_a_rise_may_be_a_jump_at_the_start_of_its_interval(tmp_path):
    demand = read_trace(write_csv(tmp_path, "0,1", "300,3", "600,1"), edges=True).demand
    assert [demand.at(time) for time in (0, 150, 300, 450, 600)] == [3, 3, 3, 2, 1]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["0,1", "300,-2"], "trace.csv, line 3: the value must be 0 or more, not -2"),
        (["0,1", "300,nan"], "trace.csv, line 3: the value must be 0 or more, not nan"),
        (["0,1", "300,many"], "trace.csv, line 3: 'many' is not a number"),
        (["0,1", "soon,2"], "trace.csv, line 3: 'soon' is not a time; use seconds or ISO 8601"),
        (["0,1", "inf,2"], "trace.csv, line 3: 'inf' is not a finite time"),
        (["0,1", "300,1", "200,1"], "trace.csv, line 4: the time is not after the time of the previous line"),
        (["0,1", "0,1"], "trace.csv, line 3: the time is not after the time of the previous line"),
        (
            ["0,1", "10,1", "20,1", "60,1"],
            "trace.csv, line 5: rows are missing: the previous line is 40 s earlier, the usual distance is 10 s",
        ),
        (["0,1", "10,1,1"], "trace.csv, line 3: expected 2 columns, found 3"),
        (["0,1"], "trace.csv: found 1 rows, at least 2 are needed"),
    ],
)
def test_an_error_names_the_line(tmp_path, rows, sentence):
    with pytest.raises(TraceError) as caught:
        read_trace(write_csv(tmp_path, *rows))
    assert str(caught.value) == sentence


def test_the_header_is_required(tmp_path):
    with pytest.raises(TraceError, match="line 1: the header must be `timestamp,value`, not `time,likes`"):
        read_trace(write_csv(tmp_path, "0,1", header="time,likes"))


def test_a_file_that_is_missing_or_binary_is_an_error(tmp_path):
    with pytest.raises(TraceError, match="can't be read"):
        read_trace(tmp_path / "absent.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TraceError, match="can't be read"):
        read_trace(tmp_path / "binary.csv")


def test_the_maximum_of_a_span_includes_its_points():
    demand = Curve((0, 10, 10, 20), (0, 5, 50, 0))
    assert demand.maximum(0, 9) == 4.5
    assert demand.maximum(0, 10) == 50
    assert demand.maximum(15, 20) == 25
