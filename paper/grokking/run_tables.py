"""The tables of one run's notebooks, in Markdown."""

from typing import Any

from lib.report.run_tables import table, value


def reheats(entries: list[dict[str, Any]]) -> str:
    """A row a branch: gains beside the run's own, and how far it went along the backbone and across it."""
    if not entries:
        return "This run has no snapshot that a branch starts from."
    head = ["from step", "grokked", "decay", "test accuracy", "gain", "the run's gain", "lowest", "along", "across"]
    rows = [
        [
            str(e["from"]),
            "yes" if e["grokked"] else "no",
            f"{e['decay']:g}",
            value(e["start_acc"], 3),
            value(e["gain"], 3),
            value(e["parent_gain"], 3) or "ends before",
            value(e["lowest"], 3),
            value(e["along"], 2),
            value(e["across"], 2),
        ]
        for e in entries
    ]
    return table(head, rows)


def cosines(points: list[dict[str, Any]]) -> str:
    """A row a whole snapshot, a column a pair of directions, with what random ones stay below."""
    if not points:
        return "No whole snapshot with finite weights."
    pairs = list(points[0]["pairs"])
    head = ["step", *(pair.replace("|", " and ") for pair in pairs)]
    rows = []
    for point in points:
        cells = [point["pairs"][pair] for pair in pairs]
        rows.append([str(point["step"]), *(f"{value(c['cosine'], 3)} (null {value(c['null'], 3)})" for c in cells)])
    return table(head, rows)


def circuit_table(found: dict[str, Any]) -> str:
    """A row a whole snapshot: the operation's share, keys, losses with and without them, and the control."""
    head = ["step", "share", "keys", "loss", "keys alone", "without keys", "without others"]
    rows = [
        [
            str(p["step"]),
            value(p["share"], 3),
            str(len(p["keys"])),
            value(p["full"], 3),
            value(p["restricted"], 3),
            value(p["excluded"], 3),
            value(p["random"]["mean"], 3, p["random"]["spread"]) or "too few others",
        ]
        for p in found["points"]
    ]
    return f"A table of white noise has a share of {found['white']:.3f}.\n\n" + table(head, rows)
