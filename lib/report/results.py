"""A study's folder as one value: what every run did, its analysis, and every quantity by name.

A quantity has a name and a part. The parts are observed, null, excess and, where there is one, simulated. The
names are those of the geometry presets (`G1.pc1`, lib/geometry/presets.py) and

    val.final  p_ood.best  p_ood.best_step  p_ood.last  p_ood.fall      evaluations
    I.<mean|of_means|across>.<step>                                     cosine of LM and probe gradient
    A.<direction>.<step>                                                |cosine| of the averaged gradient
    F.<random|story|gain>                                               p_ood of the last whole snapshot by filler
    Q.<empirical|sampled|squared>.<direction>.<step>                    anisotropy of the curvature
    reheat.<gain|area|moved|across>.<step>                              the condition with the largest gain

Steps are published steps, in names and in values. What is missing is None, and a run that diverged before
its last step has no geometry: two snapshots of an explosion are no trajectory to compare.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lib.base.files import read_json
from lib.geometry import presets
from lib.params.run import Params
from lib.params.study import Study
from lib.report.published import Published, load_published
from lib.train.records import read_evaluations, read_record

PARTS = ("observed", "null", "excess", "simulated")
ANALYSES = ("backbone", "fillers", "fisher", "interference_metrics", "reheat")
OBSERVED_ONLY = ("val", "p_ood", "I", "A", "Q", "F")


@dataclass(frozen=True)
class Estimate:
    """A value, its standard error where there is one, and over how many runs; without a value, why."""

    value: float | None
    error: float | None = None
    count: int = 1
    why: str = ""


@dataclass(frozen=True)
class RunResult:
    name: str
    params: Params
    folder: Path
    time_scale: float
    record: dict[str, Any] | None = None
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    analysis: dict[str, Any] = field(default_factory=dict)

    @property
    def beta2(self) -> float:
        return self.params.optim.beta2

    @property
    def state(self) -> str:
        return (self.record or {}).get("state", "missing")

    @property
    def stopped(self) -> bool:
        """Diverged before its last step: what there is of it is no whole run."""
        return self.state == "diverged" and self.record.get("step", 0) < self.params.schedule.steps

    @property
    def said(self) -> str:
        """The state in words, with the step of a divergence in this run's own steps."""
        if self.state == "diverged":
            return f"diverged at step {self.record['diverged']['step']}"
        if self.state in ("training", "failed"):
            return f"{self.state}, at step {self.record.get('step', 0)}"
        return self.state

    def quantity(self, name: str, part: str = "observed") -> Estimate:
        family, *rest = name.split(".")
        if part != "observed" and family in OBSERVED_ONLY:
            return Estimate(None, why="no null is defined")
        if self.state not in ("done", "diverged"):
            return Estimate(None, why=self.said)
        if self.stopped and name not in ("p_ood.best", "p_ood.best_step"):
            return Estimate(None, why=self.said)
        readers: dict[str, Callable[..., Estimate]] = {
            "val": self._training,
            "p_ood": self._training,
            "I": self._interference,
            "A": self._alignment,
            "Q": self._anisotropy,
            "F": self._fillers,
        }
        try:
            if family == "reheat":
                return self._reheat(*rest, part=part)
            if family in readers:
                return readers[family](*([name] if family in ("val", "p_ood") else rest))
            return self._geometry(name, part)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            # A file that is JSON, and not what this code writes: whoever changed it, there is no number in it.
            return Estimate(None, why=f"its files cannot be understood ({type(error).__name__}: {error})")

    # ------------------------------------------------------------------------------------------- where they are

    def _geometry(self, name: str, part: str) -> Estimate:
        found = self.analysis.get("backbone")
        if not found:
            return Estimate(None, why="no analysis of the backbone")
        if name.endswith("fraction_max_step"):
            steps = self._fraction_max_steps(found)
            both = {"observed": steps["observed"], "null": steps["null"]}
            both["excess"] = _minus(both["observed"], both["null"])
            return _estimate(both.get(part))
        value = _number(found.get(part, {}).get(name))
        preset, quantity, *regime = name.split(".")
        error = found.get(part if part != "excess" else "observed", {}).get(
            ".".join([preset, f"{quantity}_se", *regime])
        )
        if quantity.endswith("step") or quantity == "flip":
            value = None if value is None else value * self.time_scale
        # The null is exact, so an excess has the error of what was observed.
        return _estimate(value, error if part in ("observed", "excess") else None)

    def _fraction_max_steps(self, found: dict[str, Any]) -> dict[str, float | None]:
        steps = preset_steps(found["steps"], "G2", self.time_scale)
        result = {}
        for part in ("observed", "null"):
            fractions = np.array(found.get(part, {}).get("G2.fraction") or [], dtype=float)
            known = len(fractions) == len(steps) and bool(np.isfinite(fractions).any())
            result[part] = steps[int(np.nanargmax(fractions))] * self.time_scale if known else None
        return result

    def _fillers(self, which: str) -> Estimate:
        """p_ood of the last whole snapshot with one filler, or what story text adds to it (`gain`)."""
        points = self.analysis.get("fillers") or []
        if not points:
            return Estimate(None, why="no whole snapshot")
        random, story = (points[-1][f"ood_{filler}"] for filler in ("random", "story"))
        if which == "gain":
            return _estimate(story - random, math.hypot(self._binomial(random), self._binomial(story)))
        value = {"random": random, "story": story}[which]
        return _estimate(value, self._binomial(value))

    def _training(self, name: str) -> Estimate:
        rows = self.evaluations
        p = [(e["probe_ood_acc"], e["step"]) for e in rows if e["probe_ood_acc"] is not None]
        if not rows or not p:
            return Estimate(None, why="no evaluation")
        best, step = max(p, key=lambda pair: pair[0])
        last = rows[-1]["probe_ood_acc"]
        match name:
            case "val.final":
                return _estimate(rows[-1]["val_loss"])
            case "p_ood.best":
                return _estimate(best, self._binomial(best))
            case "p_ood.best_step":
                return _estimate(step * self.time_scale)
            case "p_ood.last":
                return _estimate(last, self._binomial(last))
            case "p_ood.fall":
                both = math.hypot(self._binomial(best), self._binomial(last))
                return _estimate(_minus(best, last), both)
        raise KeyError(name)

    def _binomial(self, p: float | None) -> float:
        return math.sqrt(p * (1 - p) / self.params.task.probe.eval_examples) if p is not None else math.nan

    def _point(self, points: list[dict[str, Any]] | None, step: str) -> dict[str, Any] | None:
        """What was measured at a published step; "last" is the last there is."""
        if not points:
            return None
        if step == "last":
            return points[-1]
        return next((p for p in points if p["step"] * self.time_scale == float(step)), None)

    def _interference(self, kind: str, step: str) -> Estimate:
        point = self._point(self.analysis.get("interference_metrics"), step)
        if not point:
            return Estimate(None, why="no gradients at that step")
        return _estimate(point["detail"].get(kind), point["detail"].get(f"{kind}_se"))

    def _alignment(self, direction: str, step: str) -> Estimate:
        point = self._point(self.analysis.get("interference_metrics"), step)
        found = (point or {}).get("alignment")
        if not found or direction not in found["labels"]:
            return Estimate(None, why="no gradients at that step")
        row, column = found["objectives"].index("combined"), found["labels"].index(direction)
        value = _number(found["of_means"][row][column])
        return _estimate(None if value is None else abs(value), found["of_means_se"][row][column])

    def noise_floor(self, step: str) -> float | None:
        point = self._point(self.analysis.get("interference_metrics"), step)
        return _number(point["alignment"]["noise_floor"]) if point else None

    def _anisotropy(self, definition: str, direction: str, step: str) -> Estimate:
        point = self._point((self.analysis.get("fisher") or {}).get("points"), step)
        for q in (point or {}).get("quotients", []):
            if q["definition"].startswith(definition) and direction in q["labels"]:
                at = q["labels"].index(direction)
                return _estimate(q["anisotropy"][at], q["anisotropy_se"][at])
        return Estimate(None, why="no curvature at that step")

    def _reheat(self, kind: str, step: str, part: str) -> Estimate:
        condition = self.reheated(step)
        if not condition:
            return Estimate(None, why="not reheated from that snapshot")
        if kind in ("gain", "area"):
            errors = [self._binomial(_number(condition.get(key))) for key in ("start_p_ood", "peak_p_ood")]
            value = condition.get(kind) if part == "observed" else None
            return _estimate(value, math.hypot(*errors))
        where = {"observed": "", "null": "null_"}
        values = {p: _number(condition.get(f"{prefix}{AXES[kind]}")) for p, prefix in where.items()}
        if kind == "moved":  # along v_b, in units of the backbone coordinate that training had built up
            a = self._coordinate(float(step))
            values = {p: v / a if v is not None and a else None for p, v in values.items()}
        values["excess"] = _minus(values["observed"], values["null"])
        return _estimate(values.get(part))

    def _coordinate(self, step: float) -> float | None:
        """a(t) of the default backbone at a published step."""
        found = self.analysis.get("backbone") or {}
        a = found.get("observed", {}).get("G0.a") or []
        steps = preset_steps(found.get("steps", []), "G0", self.time_scale)
        at = dict(zip(steps, a, strict=True)) if len(steps) == len(a) else {}
        return _number(at.get(round(step / self.time_scale)))

    def reheats(self, step: str) -> list[dict[str, Any]]:
        found = self.analysis.get("reheat") or []
        return [c for c in found if c["ckpt_step"] * self.time_scale == float(step)]

    def reheated(self, step: str) -> dict[str, Any] | None:
        """The condition with the largest gain, as published."""
        known = [c for c in self.reheats(step) if _number(c.get("gain")) is not None]
        return max(known, key=lambda c: c["gain"], default=None)


AXES = {"moved": "along", "across": "across"}


def preset_steps(steps: list[int], name: str, time_scale: float) -> list[int]:
    """The steps of a preset's arrays in a run with these snapshots."""
    return [int(step) for step in presets.preset_steps(name, steps, 1 / Fraction(time_scale))]


@dataclass(frozen=True)
class Results:
    study: Study
    folder: Path
    runs: tuple[RunResult, ...]
    published: Published

    @cached_property
    def beta2(self) -> list[float]:
        """The values of the grid, from long memory to none."""
        return sorted({run.beta2 for run in self.runs}, reverse=True)

    @property
    def seeds(self) -> list[int]:
        return sorted({run.params.seed for run in self.runs})

    @cached_property
    def mixed(self) -> bool:
        """Whether an axis other than beta2 and the seed makes an average over runs meaningless."""
        axes = {axis for run in self.study.runs for axis in run.point}
        return bool(axes - {"optim.beta2", "seed"})

    def at(self, beta2: float, name: str, part: str = "observed") -> Estimate:
        """Over the runs at one beta2: with several seeds the mean and its error from their spread."""
        if self.mixed:
            return Estimate(None, count=0, why="the runs differ in more than beta2 and the seed")
        found = [run.quantity(name, part) for run in self.runs if run.beta2 == beta2]
        known = [e for e in found if e.value is not None]
        if not known:
            return Estimate(None, count=0, why=found[0].why or "no data" if found else "not in the grid")
        if len(known) == 1:
            return known[0]
        values = np.array([e.value for e in known])
        error = float(values.std(ddof=1) / math.sqrt(len(values)))
        return Estimate(float(values.mean()), error, len(values))

    def trained(self) -> list[float]:
        """The values of beta2 at which no run diverged, from large to small; a run may yet be missing."""
        return [b for b in self.beta2 if b not in self.diverged()]

    def diverged(self) -> list[float]:
        return [b for b in self.beta2 if any(run.state == "diverged" for run in self.runs if run.beta2 == b)]


def collect(study: Study, folder: Path, published: Published | None = None) -> Results:
    """Everything that is on disk of a study; what is not there, or cannot be read, is None."""
    scale = float(study.time_scale)
    runs = []
    for run in study.runs:
        place = folder / run.name
        analysis = {name: read_json(place / "analysis" / f"{name}.json") for name in ANALYSES}
        evaluations = read_evaluations(place)
        runs.append(RunResult(run.name, run.params, place, scale, read_record(place), evaluations, analysis))
    return Results(study, folder, tuple(runs), published or load_published())


def _number(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _estimate(value: Any, error: Any = None) -> Estimate:
    number = _number(value)
    return Estimate(number, _number(error), 1, "" if number is not None else "no data")
