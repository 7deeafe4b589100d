"""What the notebooks of one run show of its branches and of its path up to one loss, in Markdown."""

from typing import Any

from lib.params.run import Params
from lib.report.run_tables import table, value
from paper.optimizers.arms import named

NONE = "This run has none of the snapshots that the protocol starts from."


def restart_table(found: list[dict[str, Any]]) -> str:
    """Every restart: its losses, and its displacement beside its null's."""
    if not found:
        return NONE
    head = ["momentum", "from step of this run", "loss at the start", "at the end", "moved"]
    head += ["along $v_b$", "null", "across $v_b$", "null"]
    moved = ("displacement", "along", "null_along", "across", "null_across")
    return table(
        head,
        [
            [
                "restored" if c["restored"] else "fresh",
                str(c["from"]),
                *_ends(c),
                *(value(c[name], 3) for name in moved),
            ]
            for c in found
        ],
    )


def finetune_table(found: list[dict[str, Any]]) -> str:
    """Every optimizer that went on: its losses on the slice."""
    if not found:
        return NONE
    head = ["optimizer", "from step of this run", "loss at the start", "at the end"]
    return table(head, [[named(c["arm"]), str(c["from"]), *_ends(c)] for c in found])


def matched_table(found: dict[str, Any], p: Params) -> str:
    """The path up to a loss, observed and on every rung of the ladder of nulls."""
    if found["why"]:
        return f"No path to compare: {found['why']}."
    digits = {"pc1": 1, "k95": 0, "align": 3}
    rows = [["observed", *(value(found["observed"][name], n) for name, n in digits.items())]]
    for name, rung in found["rungs"].items():
        errors = {key: rung.errors.get(key) for key in ("pc1", "align")}
        told = [value(rung.values[key], n, errors.get(key)) for key, n in digits.items()]
        rows.append([f"null: {name}", *told])
    head = ["", "PC1 (%)", "directions that hold 95 %", "cosine of updates with the backbone of the rest"]
    return f"Up to step {found['step']} of {p.schedule.steps} of this run:\n\n" + table(head, rows)


def _ends(c: dict[str, Any]) -> list[str]:
    ended = " (diverged)" if c["state"] == "diverged" else ""
    return [value(c["losses"][0], 3), (value(c["losses"][-1], 3) or "–") + ended]
