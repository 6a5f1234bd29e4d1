"""What the packages' benchmarks share."""

import json
import sys

import pytest

from pentad_services.benchmark import OURS, Report, Table, Worker, options_of

ECHO = "import json, sys\nfor line in sys.stdin: print(json.dumps([sys.argv[1], json.loads(line)]), flush=True)"
COLUMNS = {OURS: "this package", "1.0": "peer 1.0"}


def test_a_worker_answers_in_turn_and_says_when_it_has_ended(tmp_path):
    """Orders may be sent ahead; who waits for an answer of a process that has ended gets an error and no hang."""
    script = tmp_path / "worker.py"
    script.write_text(ECHO)
    with Worker(sys.executable, script, "argument") as worker:
        worker.send(case="first")
        worker.send(case="second")
        assert worker.receive() == ["argument", {"case": "first"}]
        assert worker.receive() == ["argument", {"case": "second"}]
    script.write_text("raise SystemExit(3)")
    with Worker(sys.executable, script) as worker, pytest.raises(RuntimeError, match="ended with 3"):
        worker.receive()


def test_a_table_says_how_many_times_the_first_columns_figure_the_others_are():
    """Either way round; a figure that is missing has no ratio, and counts have none at all."""
    rows = {"read": {OURS: 2.0, "1.0": 8.0}, "push": {OURS: 3.0}}
    assert str(Table("µs", COLUMNS, "other/first", rows)).splitlines() == [
        "µs      ours   1.0  1.0/ours",
        "read    2.00  8.00     4.00x",
        "push    3.00",
    ]
    turned = str(Table("µs", COLUMNS, "first/other", rows))
    assert "ours/1.0" in turned
    assert "0.25x" in turned
    counts = str(Table("queries", COLUMNS, None, {"save none": {OURS: 0, "1.0": 3}}))
    assert counts.splitlines()[1].split() == ["save", "none", "0", "3"]


@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["--check"], 1)])
def test_a_missed_target_is_an_error_only_where_that_was_asked_for(tmp_path, capsys, arguments, code):
    """All that was printed is in the file, too."""
    options = options_of(None, rounds=1).parse_args([*arguments, "--json", str(tmp_path / "found.json")])
    report = Report("config", ("pytest",))
    report.show(Table("µs", COLUMNS, "other/first", {"read": {OURS: 2.0, "1.0": 8.0}}))
    report.require("read >= 3 x 1.0", reached=True)
    report.require("read >= 5 x 1.0", reached=False)
    assert report.finish(options) == code
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["tables"][0]["rows"] == {"read": {OURS: 2.0, "1.0": 8.0}}
    assert found["targets"] == {"read >= 3 x 1.0": True, "read >= 5 x 1.0": False}
    printed = capsys.readouterr().out
    assert f"pytest {pytest.__version__}" in found["notes"][0] in printed
    assert "ok     read >= 3 x 1.0\nMISSED read >= 5 x 1.0\n" in printed
