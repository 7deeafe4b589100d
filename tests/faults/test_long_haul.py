"""Many runs in a row leave nothing behind but their results. `python -m bench.long_haul` is the long form."""

from bench.long_haul import haul

RUNS = 4


def test_a_grid_of_many_runs_leaves_nothing_behind(tmp_path):
    found = haul(tmp_path, RUNS, jobs=2)
    assert (found["exit code"], found["runs done"]) == (0, RUNS)
    assert found["kernels seen"] == RUNS
    for name in ("processes left", "folders of kernels left", "half-written files left", "temporary files left"):
        assert found[name] == 0, name
    assert found["scheduler, last MB"] < found["scheduler, first MB"] + 2
    assert found["scheduler, most handles"] < 20
    assert found["MB a run"] < 10
