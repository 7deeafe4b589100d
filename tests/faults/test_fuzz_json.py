"""260 damaged JSON files, and packed corpora: a reader takes what was written, or knows that it is not."""

import json
import random
import shutil

import pytest

from lib.base.files import fingerprint, json_text
from lib.report.reader import collect
from lib.report.run import numbers
from lib.tasks.stories.corpus import open_corpus
from lib.train.records import lost_file, metrics_agree, read_evaluations
from lib.train.run_record import run_record
from lib.workflow.done import lost_outputs, read_done
from lib.workflow.plan import pending, reasons, targets
from lib.workflow.status import runs_table, status_table, why_text
from tests.faults.damage import at_most, damaged, refused
from tests.faults.tiny_run import tiny_params
from tests.study_folder import smoke_study, write_study

SECONDS = 5.0  # of a processor, for one file; reading one takes milliseconds


# ---------------------------------------------------------------------------------------------- metrics, JSON

WRONG = (None, True, -1, 3, 1e308, "text", [], {}, [None], [[1]], {"a": 1}, [1, "x"], 10**400, "9" * 50)
TOKENS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "9" * 400,
    "[" * 100_000,
    '{"a":' * 50_000,
    "nul",
    "'",
    '"\\ud800"',
)


def mangled_json(data, rng):
    """JSON whose bytes, or whose tree, or one token of which is another."""
    kind = rng.randrange(4)
    if kind == 0:
        return damaged(data, rng)
    tree = json.loads(data)
    places = list(nodes(tree))
    if kind == 1 or not places:
        text = data.decode()
        ends = [i for i, c in enumerate(text) if c in ":,["] or [0]
        at = rng.choice(ends) + 1
        stop = next((i for i in range(at, len(text)) if text[i] in ",]}\n"), len(text))
        return (text[:at] + rng.choice(TOKENS) + text[stop:]).encode()
    for _ in range(rng.choice((1, 1, 5))):
        holder, key = rng.choice(places)
        if isinstance(holder, dict) and rng.random() < 0.4:
            holder.pop(key, None)
        elif isinstance(holder, list) and key < len(holder) and rng.random() < 0.3:
            del holder[key]
        elif isinstance(holder, dict) or key < len(holder):
            holder[key] = rng.choice(WRONG)
    return json.dumps(rng.choice(WRONG) if rng.random() < 0.1 else tree).encode()


def nodes(tree, deep=3):
    """Places of a tree, the upper ones: most of the numbers of an analysis lie below."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(items):
        yield tree, key
        if deep:
            yield from nodes(value, deep - 1)


@pytest.mark.parametrize("token", TOKENS)
def test_what_is_no_json_is_not_read(token, tmp_path):
    (tmp_path / "run.json").write_text('{"state": "done", "step": 3, "x": ' + token + "}")
    (tmp_path / "pilot_metrics.json").write_text(f"[{token}]")
    read = run_record(tmp_path).state is not None
    assert not read or token in ("1e999", '"\\ud800"')  # JSON both, and nothing that is used
    assert read_evaluations(tmp_path) == []


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study on disk with a done marker of every stage, as make would see it."""
    loaded = smoke_study()
    folder = write_study(tmp_path_factory.mktemp("outputs") / loaded.folder_name, loaded)
    every = targets(loaded, folder)
    for target in every:
        names = ["run.json", "pilot_metrics.json"] if target.stage.trains else []
        names += sorted(str(p.relative_to(target.folder)) for p in (target.folder / "analysis").glob("*.json"))
        done = {"inputs": target.inputs, "outputs": {name: fingerprint(target.folder / name) for name in names}}
        target.done.write_text(json_text(done))
    return loaded, folder, every


QUANTITIES = (
    "val.final p_ood.best p_ood.fall I.mean.1600 A.v_b.1600 Q.empirical.v_b.400 G1.pc1 F.gain G2.fraction_max_step "
    "G2.a_peak_step reheat.gain.2000 reheat.moved.2000"
).split()


def look_everywhere(loaded, folder, every):
    """Every reader of a study's folder, as status, why, the tables and the figures use it."""
    runs_table(loaded, folder)
    waiting = pending(every)
    status_table(every, waiting, [])
    why_text(waiting, [])
    for result in collect(loaded, folder).runs:
        for name in QUANTITIES:
            for part in ("observed", "null", "excess"):
                result.quantity(name, part)
    for data in collect(loaded, folder).present:
        for side in ("observed", "null"):
            data.value(side, "G1.pc1"), data.array(side, "G0.a")
        data.entries("interference_metrics"), data.entries("fisher", "points")
        data.evaluated("val_loss"), data.evaluated("probe_ood_acc")


def test_json_of_a_study(study):
    loaded, folder, every = study
    files = sorted(p for p in folder.rglob("*") if p.suffix in (".json", ".done"))
    files += [p for p in files if p.name == "run.json"] * 2
    for index in range(120):
        rng = random.Random(f"json {index}")
        path = rng.choice(files)
        data = path.read_bytes()
        target = next(t for t in every if t.folder in path.parents)
        own = [t for t in every if t.folder == target.folder]
        swapped = rng.choice(files).read_bytes()
        path.write_bytes(mangled_json(data, rng) if rng.random() < 0.85 or swapped == data else swapped)
        place = f"json {index}, {path.relative_to(folder)}: {path.read_bytes()[:2000]!r}"
        try:
            with at_most(SECONDS):
                look_everywhere(loaded, folder, own)
            if path.suffix == ".json":
                named = str(path.relative_to(target.folder))
                assert any(named in said for t in own for said in lost_outputs(t.folder, read_done(t.done))), place
        except AssertionError:
            raise
        except Exception as error:
            raise AssertionError(place) from error
        finally:
            path.write_bytes(data)


@pytest.mark.parametrize("number", [0, 1])
def test_a_done_marker_with_anything_in_it_is_read(study, number):
    """Whatever stands where an input was, of a stage that needs none or another, the stage runs again."""
    target = study[2][number]
    assert len(target.inputs["needs"]) == number
    data = target.done.read_bytes()
    assert reasons(target) == []
    for key in target.inputs:
        for wrong in WRONG:
            record = json.loads(data)
            record["inputs"][key] = wrong
            target.done.write_text(json.dumps(record))
            assert reasons(target) != [] or wrong == target.inputs[key]
    target.done.write_bytes(data)


def test_json_of_a_run(two_runs, run):
    """What a finished run's own records say is believed only as far as they agree with each other."""
    params = tiny_params()
    assert lost_file(run, params) == ""
    evaluations = read_evaluations(run)
    for index in range(80):
        rng = random.Random(f"run {index}")
        name = rng.choice(("metrics.jsonl", "metrics.jsonl", "pilot_metrics.json", "codewords.json", "run.json"))
        path = run / name
        data = path.read_bytes()
        swapped = name in ("metrics.jsonl", "pilot_metrics.json") and rng.random() < 0.15
        lines = name == "metrics.jsonl" or rng.random() < 0.5
        new = (two_runs[1] / name).read_bytes() if swapped else (damaged if lines else mangled_json)(data, rng)
        path.write_bytes(new)
        place = f"run {index}, {name}: {new[:2000]!r}"
        with at_most(SECONDS):
            said, record = lost_file(run, params), run_record(run)
        if name == "metrics.jsonl":
            assert metrics_agree(run, evaluations) == new.startswith(data), place
            assert said, place
        elif name == "pilot_metrics.json":
            assert bool(said) == (read_evaluations(run) != evaluations), place
        elif name == "run.json":
            assert record.state in (None, "training", "done", "diverged", "failed"), place
        path.write_bytes(data)


@pytest.mark.parametrize("values", [["a"], [1, [2]], [{}], ["1e"], {"a": 1}, "text", 3, None])
def test_what_holds_no_numbers_draws_nothing(values):
    assert numbers(values).size == 0


# -------------------------------------------------------------------------------------------------- the corpus


def test_packed_corpora(two_runs, tmp_path):
    folder = shutil.copytree(two_runs[2], tmp_path / "corpus")
    files = sorted(p for p in folder.iterdir() if p.is_file())
    whole = open_corpus(folder)
    record = (folder / "corpus.json").read_bytes()
    for content in ("[]", "{}", "3", "null", "[" * 100_000, '{"fingerprint": 3}'):
        (folder / "corpus.json").write_text(content)
        assert "delete the folder to rebuild it" in refused(open_corpus, folder)[1]
    (folder / "corpus.json").write_bytes(record)
    for index in range(60):
        rng = random.Random(f"corpus {index}")
        path = rng.choice(files)
        data = path.read_bytes()
        path.write_bytes(
            mangled_json(data, rng) if path.suffix == ".json" and rng.random() < 0.5 else damaged(data, rng)
        )
        found, sentence = refused(open_corpus, folder)
        place = f"corpus {index}, {path.name}: {sentence}"
        assert bool(sentence) or (path.name == "corpus.json" and found.fingerprint == whole.fingerprint), place
        assert not sentence or (str(folder) in sentence and "delete the folder to rebuild it" in sentence), place
        path.write_bytes(data)
