"""The power goes while a file is written: afterwards the same command ends as if it had not, or names the file."""

import json
import shlex
import shutil
import signal

import pytest

from lib.base.errors import BadInput
from lib.base.files import json_text
from lib.measure.trajectory import run_digest
from lib.params.run import load_params
from lib.params.study import load_study
from lib.report.reader import collect
from lib.report.summary import write_summary
from lib.train import loop as module
from lib.train.loop import train
from lib.train.places import MADE_BY_MAKE
from lib.workflow.done import read_done, read_inputs
from lib.workflow.finish import Step, finish
from lib.workflow.plan import reasons, targets
from lib.workflow.rules import write_rules
from lib.workflow.runner import execute_stage, execute_stages
from tests.faults.damage import power_losses
from tests.faults.tiny_run import STEPS, results, tiny_params
from tests.study_folder import smoke_study, write_reheat, write_study

LOSSES = tuple(power_losses(b"0123456789"))
OF_FINISHED = ("cut", "zeros from the middle on")
TRAINED = ("params.yaml", "run.json", "pilot_metrics.json", "metrics.jsonl", "codewords.json",
           "checkpoint.safetensors", "checkpoint.previous.safetensors", "snapshots")  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("truncation")


@pytest.fixture(scope="module")
def finished(home):
    train(tiny_params(), home / "study" / "finished", home / "corpora")
    return home / "study" / "finished"


@pytest.fixture(scope="module")
def interrupted(finished, home):
    """The same run, stopped after step 7 by the signal of a terminal."""
    original = module.look

    def look_and_signal(state, new):
        original(state, new)
        if state.step == 7:
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "look", look_and_signal)
        with pytest.raises(KeyboardInterrupt):
            train(tiny_params(), home / "study" / "interrupted", home / "corpora")
    return home / "study" / "interrupted"


def newest(run, kind):
    return max((run / kind).iterdir()) if (run / kind).is_dir() else run / kind


def same_or_named(path, expected, command, found):
    """Either the command ends and the results are the expected ones, or it names the file in one sentence."""
    try:
        command()
    except BadInput as error:
        assert str(path) in str(error) and all(path.name in line for line in str(error).splitlines())
        return "named"
    assert found() == expected
    return "same"


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", TRAINED)
def test_training_after_a_power_loss(kind, loss, finished, interrupted, home, tmp_path, capsys):
    state = finished if loss in OF_FINISHED else interrupted
    run = shutil.copytree(state, tmp_path / "run")
    path = newest(run, kind)
    if not path.exists():
        pytest.skip("a finished run keeps one state")
    path.write_bytes(power_losses(path.read_bytes())[loss])
    ended = same_or_named(
        path, results(finished), lambda: train(tiny_params(), run, home / "corpora"), lambda: results(run)
    )
    # The last byte of the parameters is the end of a line.
    assert ended == ("named" if kind == "params.yaml" and loss != "without its last byte" else "same")
    if ended == "same":
        assert json.loads((run / "run.json").read_text())["state"] == "done"
    if kind == "run.json" and loss != "without its last byte":  # it held what made the saved state
        assert "training from the start" in capsys.readouterr().out


@pytest.mark.parametrize("loss", LOSSES)
def test_a_corpus_after_a_power_loss(loss, finished, home, tmp_path):
    folder = next(path for path in (home / "corpora").iterdir() if path.is_dir())
    corpora = tmp_path / "corpora"
    for name in sorted(path.name for path in folder.iterdir()):
        copy = shutil.copytree(folder, corpora / folder.name)
        (copy / name).write_bytes(power_losses((copy / name).read_bytes())[loss])
        with pytest.raises(BadInput) as caught:
            train(tiny_params(), tmp_path / "study" / "run", corpora)
        assert str(copy) in str(caught.value) and "delete the folder to rebuild it" in str(caught.value)
        shutil.rmtree(copy)
    train(tiny_params(), tmp_path / "study" / "run", corpora)
    assert results(tmp_path / "study" / "run") == results(finished)


def test_a_digest_after_a_power_loss(finished, tmp_path):
    run = shutil.copytree(finished, tmp_path / "run")
    run_digest(run)
    path = run / "digest.npz"
    whole = path.read_bytes()
    for loss, data in power_losses(whole).items():
        path.write_bytes(data)
        run_digest(run)
        assert path.read_bytes() == whole, loss
    shutil.rmtree(run / "snapshots")  # nothing to make it from
    for data in power_losses(whole).values():
        path.write_bytes(data)
        with pytest.raises(BadInput, match=r"digest\.npz"):
            run_digest(run)


# ------------------------------------------------------------------------------------------- stages and make


@pytest.fixture(scope="module")
def made(home):
    """A study of one run, its first two notebooks executed as make would."""
    file = home / "tiny.yaml"
    settings = ", ".join(
        word.replace("'", "").replace("=", ": ", 1) for word in shlex.split(STEPS) if "stages" not in word
    )
    file.write_text(f"study: tiny\naxes: {{seed: [42]}}\nset: {{{settings}}}\n")
    study = load_study(str(file), "smoke")
    folder = home / "outputs" / study.folder_name
    every = targets(study, folder)
    write_rules(study.folder_name, folder, every)
    execute(every[:2])
    return study, folder, every


def execute(stages):
    for target in stages:
        inputs = read_inputs(target.inputs_file)
        execute_stage(target.name, target.folder, inputs, load_params(target.kept / "params.yaml"))


@pytest.mark.parametrize("loss", LOSSES)
def test_every_file_of_a_stage_is_noticed(loss, made):
    kinds = set()
    for target in made[2][:2]:
        assert reasons(target) == []
        for name in read_done(target.done)["outputs"]:
            path = target.folder / name
            data = path.read_bytes()
            path.write_bytes(power_losses(data)[loss])
            assert reasons(target) == [f"{name} is not as it was made"]
            path.write_bytes(data)
            kinds.add(path.suffix)
        data = target.done.read_bytes()
        target.done.write_bytes(power_losses(data)[loss])
        assert reasons(target) == ["its done marker is damaged"] or loss == "without its last byte"
        target.done.write_bytes(data)
    assert kinds == {".yaml", ".json", ".jsonl", ".safetensors", ".npz", ".ipynb", ".png"}


def test_the_same_make_mends_every_kind_of_file(made):
    """One file of each kind is lost at once, in all the ways in turn; the same stages leave the same bytes."""
    study, folder, every = made
    run = every[0].folder
    timed = ("run.json", "*.lock", "*.done", "*.ipynb")
    files = [path for path in run.rglob("*") if path.is_file() and not any(map(path.match, timed))]
    kept = {path: path.read_bytes() for path in files}
    lost = [
        newest(run, "snapshots"),
        run / "metrics.jsonl",
        run / "codewords.json",
        run / "analysis" / "fillers.json",
        run / "digest.npz",
        run / "analysis" / "backbone.json",
        run / "notebooks" / "02_pca.ipynb",
        next((run / "figures").glob("02_pca_*.png")),
        every[0].done,
        every[0].inputs_file,
        every[0].kept / "params.yaml",
    ]
    for index, path in enumerate(lost):
        path.write_bytes(power_losses(path.read_bytes())[LOSSES[index % len(LOSSES)]])
    write_rules(study.folder_name, folder, every)
    execute([target for target in every[:2] if reasons(target)])
    assert [path for path, data in kept.items() if path.read_bytes() != data] == []
    assert reasons(every[0]) == reasons(every[1]) == []
    json.loads((run / "notebooks" / "02_pca.ipynb").read_bytes())


@pytest.mark.parametrize("loss", LOSSES)
def test_files_of_make_are_written_anew(loss, made):
    study, folder, every = made
    files = [path for path in sorted((folder / ".make").rglob("*")) if path.is_file()]
    kept = {path: path.read_bytes() for path in files}
    for path, data in kept.items():
        path.write_bytes(power_losses(data)[loss])
        if path.suffix == ".inputs" and loss != "without its last byte":
            with pytest.raises(BadInput, match=path.name):
                execute_stages([path.stem], every[0].folder)
    write_rules(study.folder_name, folder, every)
    assert {path: path.read_bytes() for path in kept} == kept
    assert {".inputs", ".json", ".mk", ".yaml"} == {path.suffix for path in kept}


def test_summary_files_are_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv(MADE_BY_MAKE, "06_figures")
    study = smoke_study()
    folder = write_study(tmp_path / study.folder_name, study)
    write_reheat(folder, study, 0.95, 0.3)
    write_reheat(folder, study, 0.80, 0.1)
    step = Step("06_figures", folder, {"runs": "1"}, lambda: list(write_summary(collect(study, folder)).values()))
    assert finish([step]) == [] and step.reasons() == []
    files = sorted(path for path in (folder / "summary").iterdir() if path.is_file())
    kept = {path: path.read_bytes() for path in files}
    assert {".csv", ".json"} <= {path.suffix for path in files}
    for path in [*files, step.done]:
        data = path.read_bytes()
        for loss, left in power_losses(data).items():
            path.write_bytes(left)
            if path != step.done:
                assert path.name in step.reasons()[0], loss
            assert finish([step]) == [] and step.reasons() == [], loss
            assert {path: path.read_bytes() for path in files} == kept, loss
    assert json_text(json.loads(step.done.read_text())) == step.done.read_text()
