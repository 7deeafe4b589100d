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


def turn_table(found: dict[str, Any]) -> str:
    """When the run grokked, and what its path does there."""
    if found["grokked"] is None:
        return "This run has not grokked by its end: there is no such turn."
    rows = [
        [
            "angle between the ways into and out of the grok step, degrees",
            found["at_grok"],
            found["null_at_grok"],
            1,
        ],
        ["share of steps around that turn less", found["rank"], None, 2],
        ["cosine of the backbones before and after", found["phases"], found["null_phases"], 2],
    ]
    said = f"Memorised at step {found['memorised']}, grokked at step {found['grokked']}.\n\n"
    return said + table(
        ["", "this run", "null"], [[what, value(x, n), value(null, n)] for what, x, null, n in rows]
    )


def slingshot_table(found: dict[str, Any]) -> str:
    """Spikes of the training loss, and the path at them and elsewhere."""
    if not found["spikes"]:
        return "After memorisation the training loss has no spike."
    words = {"straight": "straightness", "across": "share across the backbone", "back": "how far it comes back"}
    rows = [
        [text, *(found[f"{name}_{where}"] for where in ("at", "elsewhere", "null"))] for name, text in words.items()
    ]
    said = f"Spikes at steps {', '.join(map(str, found['spikes']))}.\n\n"
    head = ["", "at spikes", "elsewhere", "null at spikes"]
    return said + table(head, [[what, *(value(x, 2) for x in values)] for what, *values in rows])


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
    head = ["step", "share", "keys", "loss", "keys alone", "without keys"]
    head += ["without the strongest others", "without random others"]
    rows = [
        [
            str(p["step"]),
            value(p["share"], 3),
            str(len(p["keys"])),
            value(p["full"], 3),
            value(p["restricted"], 3),
            value(p["excluded"], 3),
            value(p["strongest"], 3),
            value(p["random"]["mean"], 3, p["random"]["spread"]) or "too few others",
        ]
        for p in found["points"]
    ]
    return f"A table of white noise has a share of {found['white']:.3f}.\n\n" + table(head, rows)
