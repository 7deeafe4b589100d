"""The probe by its filler on real TinyStories, which are not ours to keep: from runs that are packed in results/.

    make grid PARAMS=results/real_stories-laptop/study.yaml PROFILE=laptop SEEDS=3

makes such runs where `stories.jsonl.xz` holds TinyStories with a field `version`, and

    python -m paper.beta2.real_stories results/real_stories*

prints the numbers of real_stories.yaml from them.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lib.base.files import json_text
from lib.base.yaml_text import read_yaml
from lib.params.run import load_params
from lib.report.run import read_run
from lib.report.tex import number, table, thousands
from paper.beta2.quantities import by_filler

NUMBERS = Path(__file__).with_name("real_stories.yaml")
ASKED = ("random", "seen", "story")


def measured(studies: Iterable[Path]) -> list[dict[str, Any]]:
    """Of every run: its vocabulary, the share of random filler never read, best and last p_ood by filler."""
    rows = []
    for folder in sorted(path.parent for study in studies for path in study.glob("*/params.yaml")):
        run = read_run(folder, load_params(folder / "params.yaml"))
        row = {
            "vocabulary": run.params.task.tokenizer.vocab,
            "seed": run.params.seed,
            "unread": by_filler(run, "observed", "random", "dose").value,
        }
        for filler in ASKED:
            last, fall = (by_filler(run, "observed", filler, what) for what in ("ood", "fall"))
            row[filler] = {"best": last.value + fall.value, "last": last.value, "error": last.error}
        rows.append(row)
    return sorted(rows, key=lambda row: (row["vocabulary"], row["seed"]))


def real_stories() -> str:
    """The table: a row a run."""
    rows = []
    for run in _runs():
        cells = [thousands(run["vocabulary"]), str(run["seed"]), number(100 * run["unread"], 0)]
        for filler in ASKED:
            found = run[filler]
            cells += [number(found["best"], 2), f"{number(found['last'], 2)} ({found['error']:.2f})"]
        rows.append(cells)
    heads = ["vocabulary", "seed", r"unread (\%)", *(rf"\multicolumn{{2}}{{c}}{{{filler}}}" for filler in ASKED)]
    under = ["", "", "", *(["best", "last"] * len(ASKED))]
    return table("rrr" + "rr" * len(ASKED), [" & ".join(line) + r" \\" for line in (heads, under)], rows)


def real_numbers() -> dict[str, str]:
    """p_ood at the end with the smallest vocabulary, from the lowest run to the highest, and how many they are."""
    runs = _runs()
    small = [run for run in runs if run["vocabulary"] == runs[0]["vocabulary"]]
    last = {filler: [run[filler]["last"] for run in small] for filler in ("random", "story")}
    ends = {f"Real{f.title()}": " to ".join(number(pick(x), 2) for pick in (min, max)) for f, x in last.items()}
    return ends | {"RealRuns": str(len(small)), "RealWords": thousands(small[0]["vocabulary"])}


def _runs() -> list[dict[str, Any]]:
    return read_yaml(NUMBERS, "numbers")["runs"]


def main(studies: list[str]) -> None:
    runs = measured(map(Path, studies))
    if not runs:
        sys.exit(f"error: no runs in {' '.join(studies) or 'nothing'}: expected folders of packed studies")
    print(json_text({"runs": runs}), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
