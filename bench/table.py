"""bench.json as one page: plain | ours | ratio | bar | verdict, then where the time goes."""

from typing import Any

COLUMNS = ("what", "plain", "ours", "ratio", "bar", "verdict")


def amount(value: float, unit: str = "s") -> str:
    """A measured number with its unit, three digits."""
    if unit != "s":
        return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"


def rows(record: dict[str, Any]) -> list[tuple[str, ...]]:
    """One row a measured pair, then one a bar that is a share."""
    bars = {bar["of"]: bar for bar in record["bars"] if bar.get("of")}
    found = []
    for m in record["measurements"]:
        bar = bars.pop(m["what"], None)
        ratio = m["ratio"]
        inverse = bar is not None and bar.get("inverse")
        numbers = [1 / ratio[k] if inverse else ratio[k] for k in ("median", "min", "max")]
        low, high = sorted(numbers[1:])
        several = len(ratio["samples"]) > 1
        text = f"{numbers[0]:.3g}x" + (f" ({low:.3g}-{high:.3g})" if several else " (once)")
        sides = [amount(m[side]["median"], m["unit"]) for side in ("plain", "ours")]
        found.append((m["what"], *sides, text, *_verdict(bar)))
    for bar in record["bars"]:
        if not bar.get("of"):
            value = "-" if bar["value"] is None else f"{100 * bar['value']:.1f} %"
            found.append((bar["what"], "", value, "", *_verdict(bar)))
    return found


def limits(record: dict[str, Any]) -> list[str]:
    """What the arithmetic allows at every shape, and which library multiplies how fast."""
    if not record["limits"]:
        return []
    lines = [("what", "counted", "limit", "ours", "share of the limit", "bar", "verdict")]
    for row in record["limits"]:
        share = row["share"]
        text = f"{100 * share['median']:.0f} % ({100 * share['min']:.0f}-{100 * share['max']:.0f})"
        verdict = _verdict(row if "met" in row else None)
        lines.append((row["what"], row["counts"], amount(row["limit"]), amount(row["ours"]), text, *verdict))
    text = ["", "## What the arithmetic allows, in CPU seconds", "", *aligned(lines)]
    lines = [("products, GFLOP/s a core", "MKL", "oneDNN", "oneDNN / MKL")]
    for shape, parts in record["rates"].items():
        for part, rate in parts.items():
            if len(rate) == 2:
                ratio = f"{rate['oneDNN'] / rate['MKL']:.2f}x"
                lines.append((f"{part}, {shape}", f"{rate['MKL']:.0f}", f"{rate['oneDNN']:.0f}", ratio))
    return [*text, "", "## Which part is the processor's", "", *aligned(lines)]


def _verdict(bar: dict[str, Any] | None) -> tuple[str, str]:
    if bar is None:
        return "", ""
    verdict = "not measured" if bar["met"] is None else "met" if bar["met"] else "MISSED"
    return bar["bar"], verdict


def aligned(lines: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    texts = []
    for line in lines:
        cells = [c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))]
        texts.append("| " + " | ".join(cells) + " |")
    rule = ["-" * (w + 1) + (":" if i else "-") for i, w in enumerate(widths)]
    return [texts[0], "|" + "|".join(rule) + "|", *texts[1:]]


def render(record: dict[str, Any]) -> str:
    """The page, as Markdown that reads well as it is."""
    machine, versions = record["machine"], record["versions"]
    libraries = f"torch {versions['torch']}, numpy {versions['numpy']}, Python {versions['python']}"
    text = [
        f"# Benchmark: {machine['processor']}, {machine['cores']} cores, one thread a process",
        "",
        f"{libraries}; commit {record['commit'][:10]}{' (changed)' if record['dirty'] else ''}.",
        "Times are medians, ratios medians over interleaved pairs (smallest-largest).",
        "",
        *aligned([COLUMNS, *rows(record)]),
        *limits(record),
    ]
    for title, lines in record["where"].items():
        total = sum(line["seconds"] for line in lines if line["share"])
        text += ["", f"## Where time goes: {title}", ""]
        table = [("what", "time", "share")]
        for line in lines:
            share = f"{100 * line['seconds'] / total:.1f} %" if line["share"] and total else ""
            table.append((line["what"], amount(line["seconds"]), share))
        text += aligned(table)
    agreed = ", ".join(f"{name} {value:.1g}" for name, value in record["agreement"].items())
    text += ["", *([f"Both ways agree (largest relative difference): {agreed}."] if agreed else [])]
    text += [f"Not measured: {why}." for why in record["left_out"]]
    text += [f"{note}." for note in record["notes"]]
    return "\n".join(text) + "\n"
