"""What `python -m bench` has measured so far: bench.json and table.md."""

import time
from pathlib import Path
from typing import Any

from bench import compare
from bench.measure import Pair
from bench.table import render
from lib.base import provenance
from lib.base.clock import clock, now_text
from lib.base.files import json_text, write_atomically

LIMIT_BAR = 0.85  # of the arithmetic limit of `bench.limit`, which counts products alone


class Report:
    """What has been measured so far; on disk after every measurement."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        commit, dirty = provenance.commit()
        self.folder, self.started = folder, time.monotonic()
        self.record: dict[str, Any] = {
            "machine": provenance.machine(),
            "versions": provenance.versions(),
            "commit": commit,
            "dirty": dirty,
            "started": now_text(),
            "settings": settings,
            "complete": False,
            "measurements": [],
            "bars": [],
            "limits": [],
            "rates": {},
            "where": {},
            "agreement": {},
            "left_out": [],
            "notes": [],
            "raw": {},
        }

    def say(self, text: str) -> None:
        print(f"bench: {clock(time.monotonic() - self.started):>5}  {text}", flush=True)

    def pairs(self, *found: Pair) -> None:
        for pair in found:
            self.record["measurements"].append(pair.record())
            self.say(f"{pair.what.strip()}: {pair.ratio:.3g}x")
        self.write()

    def where(self, title: str, lines: list[tuple[str, float, bool]]) -> None:
        self.record["where"][title] = [{"what": w, "seconds": s, "share": share} for w, s, share in lines]
        self.write()

    def limits(self, shares: compare.Shares, shape: str) -> None:
        """The shares of the limit at a shape, and the bar on those of the products alone."""
        rows = shares.record(shape)
        for row in rows:
            if row["counts"] == compare.ALONE:
                row |= {"bar": f">= {100 * LIMIT_BAR:g} %", "met": row["share"]["median"] >= LIMIT_BAR}
            self.say(f"{row['what']}, {row['counts']}: {100 * row['share']['median']:.0f} % of the limit")
        self.record["limits"] += rows
        self.record["rates"][shape] = shares.rates()
        self.write()

    def bar(self, what: str, value: float | None, bar: str, met: bool | None, **more: Any) -> None:
        self.record["bars"].append({"what": what, "value": value, "bar": bar, "met": met, **more})

    def write(self) -> None:
        write_atomically(self.folder / "bench.json", json_text(self.record))
        write_atomically(self.folder / "table.md", render(self.record))
