"""How far a training has come: a bar in a terminal or a live notebook, elsewhere a plain line every few seconds."""

import os
import sys
import time
from typing import TYPE_CHECKING

from tqdm import tqdm

from lib.base.clock import clock

if TYPE_CHECKING:
    from lib.train.folder import RunFolder

LINE_SECONDS = 5.0  # between progress lines where there is no terminal


class Progress:
    """Shown, and written to run.json, as the loop goes on; `pace` is what a step reads, and its unit."""

    def __init__(self, run: "RunFolder", pace: tuple[int, str], done: int) -> None:
        p = run.params
        self.run, self.total, self.done = run, p.schedule.steps, done
        self.per_step, self.unit = pace
        self.checkpoint_seconds = p.machine.checkpoint_seconds
        self.before = run.record.get("seconds", 0.0)
        self.start = self.lined = self.saved = time.monotonic()
        plain = os.environ.get("BACKBONE_PROGRESS") == "lines" or not (sys.stderr.isatty() or _in_notebook())
        self.bar = None if plain else tqdm(total=self.total, initial=done, desc=run.name, unit="step")

    def step(self, step: int, loss: float) -> None:
        now = time.monotonic()
        if self.bar is not None:
            self.bar.update(step - self.bar.n)
            self.bar.set_postfix(
                loss=f"{loss:.3f}", rate=f"{self._rate(step, now):,.0f} {self.unit}/s", refresh=False
            )
        if now - self.lined >= LINE_SECONDS or step == self.total:
            self.lined = now
            rate = self._rate(step, now)
            left = (self.total - step) * self.per_step / rate
            self.run.heartbeat(step, self.before + now - self.start, rate, self.unit, left)
            if self.bar is None:
                pace = f"{rate:,.0f} {self.unit}/s"
                self.run.say(f"step {step}/{self.total}  loss {loss:.3f}  {pace}  {clock(left)} left")

    def _rate(self, step: int, now: float) -> float:
        return (step - self.done) * self.per_step / max(now - self.start, 1e-9)

    def checkpoint_due(self) -> bool:
        now = time.monotonic()
        due = now - self.saved >= self.checkpoint_seconds
        if due:
            self.saved = now
        return due

    def close(self) -> None:
        """Take the time; a bar that stops early stays as it is."""
        self.run.record["seconds"] = round(self.before + time.monotonic() - self.start, 1)
        if self.bar is not None:
            self.bar.close()


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules
