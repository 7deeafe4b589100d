"""The tables of a run's notebooks: words, definitions, units, errors, and nothing that is not a number."""

import math

import pytest

from lib.geometry.ladder import Rung
from lib.params.study import load_study
from lib.report import run_tables
from lib.report.run_tables import behind, in_words
from paper.beta2.run_tables import experiment, reheats_table

NAN = math.nan


def result(seen):
    """What the geometry of a run leaves, of two quantities."""
    values = {"G1.pc1": seen, "P0.cosine": seen, "G1.pc1_se": 1.25}
    null = {"G1.pc1": 60.0, "P0.cosine": 0.5}
    rung = Rung({"G1.pc1": 60.0}, {"G1.pc1": 0.34})
    return {
        "observed": values,
        "null": null,
        "excess": {name: values[name] - null[name] for name in null},
        "rungs": {"schedule": rung, "memory": rung},
        "memory": dict.fromkeys(("share", "time_constant", "fitted", "judged", "size"), seen),
        "null_fit": {"scale": seen, "isotropic_scale": 30.0, "decay_share": [0.1]},
        "blocks": [{"observed": values, "null": null, "excess": null}],
    }


def test_a_quantity_is_told_in_words_with_its_preset_unit_and_errors():
    (row,) = run_tables.quantities(result(70.0), ["G1.pc1"]).data.replace("\u00a0", " ").splitlines()[2:]
    assert row == (
        "| share of the first direction, PC1 (%) | `G1` from step 600 to 2000, all snapshots | "
        "70.0 ± 1.2 | 60.0 ± 0.3 | 10.0 ± 0.3 |"
    )
    (row,) = run_tables.ladder(result(70.0), ["G1.pc1"]).data.replace("\u00a0", " ").splitlines()[2:]
    assert row.endswith("| 70.0 | 60.0 ± 0.3 | 60.0 ± 0.3 |")


@pytest.mark.parametrize(
    ("x", "digits", "error", "told"),
    [
        (7.0, 0, 0.34, "7 ± 0.3"),  # an error that would be rounded away
        (7.0, 0, 0.0, "7"),
        (-0.001, 2, None, "0.00"),
        (-0.5, 2, 0.251, "−0.50 ± 0.25"),
        (1.154e8, 2, None, "1.15e+08"),
        (NAN, 2, 1.0, ""),
        (None, 2, None, ""),
    ],
)
def test_a_number_and_its_error(x, digits, error, told):
    assert run_tables.value(x, digits, error).replace("\u00a0", " ") == told


@pytest.mark.parametrize("seen", [70.0, NAN])
def test_what_is_not_there_is_said_once_and_never_as_a_number(seen):
    made = result(seen)
    told = [
        run_tables.quantities(made, ["G1.pc1", "P0.cosine"]),
        run_tables.ladder(made, ["G1.pc1"]),
        run_tables.memory(made),
        run_tables.null_fit(made),
        run_tables.blocks(made, ["G1.pc1"]),
    ]
    texts = [markdown.data for markdown in told]
    assert not any("nan" in text for text in texts)
    few = [text for text in texts if text.startswith(("Too few", "No "))]
    assert len(few) == (5 if math.isnan(seen) else 0)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("G0.pc1", "`G0` from the initial weights, every 200 steps"),
        ("G3raw.pc1", "`G3raw` from step 1, every 200 steps, drifts as they are"),
        ("R1.mean", "`R1` windows of 8, from step 600 to 2000, all snapshots"),
        ("U0.early_mean", "`U0` held out, backbone G0, to step 2000"),
        ("U1.mean_abs", "`U1` in sample, backbone G1"),
        ("P0.cosine", "`P0` before and after step 2000"),
    ],
)
def test_the_definition_behind_a_name(name, meant):
    assert behind(name) == meant and in_words(name) != name


def test_the_experiment_leads_in_a_few_lines():
    p = load_study("beta2", "laptop").runs[0].params
    lines = experiment(p).data.splitlines()
    assert len(lines) == 9 and "beta2 0.99" in lines[6] and "1600 steps" in lines[7]


def test_a_reheat_that_diverged_is_named():
    scores = {"start_p_ood": 0.1, "peak_p_ood": 0.3, "peak_step": 40, "gain": 0.2, "area": -0.01}
    moved = {"along": -0.5, "null_along": None, "across": 3.0, "null_across": 2.0}
    said = reheats_table([{"ckpt_step": 40, "lr": 1e-3, "state": "diverged", **scores, **moved}]).data
    told = ["40 (diverged)", "0.001", "0.100", "0.300", "40", "0.200", "−0.010", "−0.50", "", "3.00", "2.00"]
    assert said.splitlines()[-1] == "| " + " | ".join(told) + " |"
    assert "No reheat" in reheats_table([]).data
