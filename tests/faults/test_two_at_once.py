"""Two commands at the same time: they share what can be shared, and one is refused what cannot."""

import re
import shutil

from lib.tasks.stories.corpus import build_corpus
from lib.train.loop import train
from tests.faults.test_signals import LONGER
from tests.faults.tools import (
    PILOT,
    RUN,
    TRAINING_ALONE,
    execute,
    library,
    load_study,
    names,
    results,
    start_make,
    trained_run,
    wait_for,
    write_study,
)


def test_two_studies_build_one_corpus(tmp_path):
    """Both begin with no corpus; each ends as it does alone."""
    studies = {
        name: write_study(tmp_path / f"{name}.yaml", {"study: tiny": f"study: {name}"}, TRAINING_ALONE)
        for name in ("one", "two")
    }
    outputs = tmp_path / "outputs"
    processes = [start_make("grid", "-j1", study=study, outputs=outputs) for study in studies.values()]
    for process in processes:
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, out + err
    corpora = [path for path in (outputs / "corpora").iterdir() if path.is_dir()]
    assert len(corpora) == 1 and not corpora[0].name.endswith(".part")
    found = [results(outputs / f"{name}-smoke" / RUN) for name in studies]
    assert found[0] == found[1]
    assert not [name for name in names(outputs / "corpora") if "/." in name]


def test_pilot_on_the_run_of_a_make_is_refused_and_harms_nothing(tmp_path):
    study, outputs = write_study(tmp_path / "tiny.yaml", LONGER, TRAINING_ALONE), tmp_path / "outputs"
    params = load_study(str(study), "smoke").runs[0].params
    build_corpus(params, outputs / "corpora")
    make = start_make("grid", "-j1", study=study, outputs=outputs)
    wait_for(lambda: list(outputs.glob(f"*/{RUN}/snapshots/000008*")), make)
    # The whole patience of a lock would outlast this training; what is asked for here differs in one parameter.
    words = ["--study", str(study), "--out_dir", str(outputs / "tiny-smoke")]
    said = library("pilot", *PILOT, *words)
    assert said.returncode in (0, 2), said.stderr
    if said.returncode:
        assert re.search(r"error: .* (is working here; wait for it|other parameters: machine)", said.stderr)
    out, err = make.communicate(timeout=240)
    assert make.returncode == 0, out + err
    train(params, tmp_path / "alone" / RUN, outputs / "corpora")
    assert results(outputs / "tiny-smoke" / RUN) == results(tmp_path / "alone" / RUN)


def test_a_stage_waits_for_no_other_stage_of_its_name(tmp_path, finished):
    """The second of two names the first, and the first is done as if alone."""
    import fcntl
    import os

    shutil.copytree(finished.parent, tmp_path / "study")
    run = tmp_path / "study" / finished.name
    handle = os.open(run / ".02_pca.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.write(handle, b"process 1 on a machine since noon")
    said = execute("02_pca", run)
    os.close(handle)
    assert said.returncode == 1
    assert "process 1 on a machine since noon is working here" in said.stderr


def test_writers_of_one_file_do_not_take_each_others_temporary_files(tmp_path):
    """Many at once, each sweeping leftovers: every write succeeds, one content is whole, nothing is left."""
    import multiprocessing

    path = tmp_path / "file"
    (tmp_path / ".file.abcdefgh").write_text("of a killed writer")
    context = multiprocessing.get_context("forkserver")
    writers = [context.Process(target=_write_often, args=(path, number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert len(set(path.read_text())) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_temporary_file_of_a_writer_that_lives_is_left_alone(tmp_path):
    import fcntl

    from lib.base.files import write_atomically

    theirs, dead = (tmp_path / f".file.{letters}" for letters in ("abcdefgh", "ijklmnop"))
    dead.write_text("of a killed writer")
    with theirs.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        write_atomically(tmp_path / "file", "whole")
        assert sorted(p.name for p in tmp_path.iterdir()) == [theirs.name, "file"]


def _write_often(path, number):
    from lib.base.files import write_atomically

    for _ in range(100):
        write_atomically(path, str(number) * 10_000)


def test_a_run_trained_elsewhere_is_found_done(tmp_path):
    """A pilot in the folder of a study first, make's stage after it: nothing is trained twice."""
    run = trained_run(write_study(tmp_path / "tiny.yaml"), tmp_path / "outputs")
    before = {path: path.stat().st_mtime_ns for path in run.glob("snapshots/*")}
    assert execute("01_train", run).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in run.glob("snapshots/*")} == before
