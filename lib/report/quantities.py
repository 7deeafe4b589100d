"""Every quantity of a run by name: what it is called, how it is read from the run's folder, and its null.

A quantity has a name and a part. The parts are observed; null, the lowest rung of the ladder of nulls, and its
other rungs momentum, lengths, memory and shuffled (lib/geometry/ladder.py); excess, what is observed beyond the
null, and beyond-momentum, beyond-lengths, beyond-memory, beyond-shuffled; memory-excess, what the null with memory
has beyond the lowest. Names are made of a family and, behind dots, what of it is meant. Those that any study has
are

    <preset>.<quantity>                       trajectory geometry, lib/geometry/presets.py: G1.pc1, U0.mean_abs
    I.<mean|of_means|across>.<step>           cosine of the gradients of the two objectives
    A.<direction>.<step>[.expected]           |cosine| of the gradient of all batches and a direction; without noise
    Q.<definition>.<direction>.<step>         anisotropy of the curvature
    M.<share|time|fitted|judged|size>         the memory fitted to a run's steps: its share of their variance in
                                              percent, its time constant, the share of the cosines not fitted to
                                              that it explains, the dimensions of the rest

and a study adds its own in the table QUANTITIES of paper/<study>/quantities.py. Steps are published steps, in names
and in values. What is missing is None, with the reason.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from lib.base.errors import BadInput, nearest, shown
from lib.base.files import finite
from lib.geometry import presets
from lib.geometry.intervals import t_975
from lib.geometry.ladder import RUNGS

if TYPE_CHECKING:
    from lib.report.run import RunResults

BEYOND = {"excess": "schedule"} | {f"beyond-{rung}": rung for rung in RUNGS[1:]}  # observed minus a rung
OF_NULL = "memory-excess"  # what an excess would be, were the run its own null with memory
PARTS = ("observed", "null", *RUNGS[1:], *BEYOND, OF_NULL)


@dataclass(frozen=True)
class Estimate:
    """A value, its standard error where there is one, and over how many runs; without a value, why."""

    value: float | None
    error: float | None = None
    count: int = 1
    why: str = ""
    by_seed: Mapping[int, float] = field(default_factory=dict)

    @property
    def interval(self) -> float | None:
        """Half of the 95 % interval of a mean over seeds; None of one run."""
        return t_975(self.count - 1) * self.error if self.count > 1 and self.error is not None else None


@dataclass(frozen=True)
class Quantity:
    """How a quantity, or a family of them, is read: `I.mean.1600` is measure(run, part, "mean", "1600")."""

    measure: Callable[..., Estimate]
    null: bool = True  # whether it is defined for the null as well
    ladder: bool = False  # whether every rung of the ladder of nulls has it, that with memory among them
    sampled: bool = False  # its error is one of sampling, which a single run knows
    early: bool = False  # a run that diverged before its last step has it too
    complete: bool = False  # a mean needs every run of a level: which one has no value is no accident
    digits: int = 2  # decimals at which its values are told apart in a sentence


Table = Mapping[str, Quantity]


def lookup(name: str, own: Table) -> tuple[Quantity, list[str]]:
    """The quantity of a name, and what its function is told besides.

    Args:
        own: the study's own, by whole name or by family.

    Raises: BadInput for a name of no family.
    """
    if name in own:
        return own[name], []
    family, *rest = name.split(".")
    if family in presets.PRESETS and rest:
        return Quantity(geometry, ladder=True, digits=_geometric_digits(name)), [name]
    table = {**MEASURED, **own}
    if family not in table:
        known = [*own, *MEASURED, *presets.PRESETS]
        meant = nearest(name, own) or nearest(family, known)
        raise BadInput(f"unknown quantity {shown(name)}; there are {', '.join(known)}{meant}")
    return table[family], rest


def _geometric_digits(name: str) -> int:
    quantity = name.split(".")[1]
    if quantity.startswith(("pc1", "pc2", "drift", "a_")):
        return 1
    return 0 if quantity.startswith("k9") else 3 if name.startswith(("U", "R")) else 2


def estimate(value: Any, error: Any = None) -> Estimate:
    known = finite(value)
    return Estimate(known, finite(error), 1, "" if known is not None else "no data")


def minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def preset_steps(steps: Iterable[int], name: str, time_scale: float) -> list[int]:
    """The steps of a preset's arrays in a run with these snapshots."""
    return [int(step) for step in presets.preset_steps(name, list(steps), 1 / Fraction(time_scale))]


def point_at(run: "RunResults", points: list[dict[str, Any]] | None, step: str) -> dict[str, Any] | None:
    """What was measured at a published step; "last" is the last there is."""
    if not points:
        return None
    if step == "last":
        return points[-1]
    return next((p for p in points if p["step"] * run.time_scale == float(step)), None)


# ------------------------------------------------------------------------------------- what any study can measure


def geometry(run: "RunResults", part: str, name: str) -> Estimate:
    """A scalar of analysis/backbone.json, its steps as published ones."""
    found = run.analysis.get("backbone")
    if not found:
        return Estimate(None, why="no analysis of the backbone")
    preset, quantity, *regime = name.split(".")
    if quantity == "fraction_max_step":
        both = {side: _fraction_max_step(run, preset, side) for side in ("observed", "null")}
        both["excess"] = minus(both["observed"], both["null"])
        return estimate(both.get(part))
    if part in ("observed", "null", "excess"):
        value = finite(found.get(part, {}).get(name))
    else:
        rung = "memory" if part == OF_NULL else BEYOND.get(part, part)
        value = finite(found.get("rungs", {}).get(rung, {}).get("values", {}).get(name))
        if part == OF_NULL:
            value = minus(value, finite(found.get("null", {}).get(name)))
        if part in BEYOND:
            value = minus(finite(found.get("observed", {}).get(name)), value)
    if quantity.endswith("step") or quantity == "flip":
        value = None if value is None else value * run.time_scale
    if part == "observed":
        return estimate(value, found.get("observed", {}).get(".".join([preset, f"{quantity}_se", *regime])))
    # What is beyond a null is uncertain by what such noise does from draw to draw.
    rung = {"null": "schedule", OF_NULL: "memory"}.get(part) or BEYOND.get(part, part)
    return estimate(value, found.get("rungs", {}).get(rung, {}).get("errors", {}).get(name))


def _fraction_max_step(run: "RunResults", preset: str, side: str) -> float | None:
    """The published step at which the backbone fraction is largest."""
    found = run.analysis["backbone"]
    steps = preset_steps(found["steps"], preset, run.time_scale)
    fractions = np.array(found.get(side, {}).get(f"{preset}.fraction") or [], dtype=float)
    known = len(fractions) == len(steps) and bool(np.isfinite(fractions).any())
    return steps[int(np.nanargmax(fractions))] * run.time_scale if known else None


def interference(run: "RunResults", part: str, kind: str, step: str) -> Estimate:
    point = point_at(run, run.analysis.get("interference_metrics"), step)
    if not point:
        return Estimate(None, why="no gradients at that step")
    return estimate(point["detail"].get(kind), point["detail"].get(f"{kind}_se"))


def alignment(run: "RunResults", part: str, direction: str, step: str, kind: str = "of_means") -> Estimate:
    """|cosine| of the combined gradient and a direction: of the averaged one, or of the `expected` one."""
    point = point_at(run, run.analysis.get("interference_metrics"), step)
    found = (point or {}).get("alignment")
    if not found or direction not in found["labels"]:
        return Estimate(None, why="no gradients at that step")
    row, column = found["objectives"].index("combined"), found["labels"].index(direction)
    value = finite(found[kind][row][column])
    if value is None:
        return Estimate(None, why="too few batches to tell its norm from zero")
    return estimate(abs(value), found[f"{kind}_se"][row][column])


def noise_floor(run: "RunResults", step: str) -> float | None:
    """What the |cosine| of a gradient with a random direction would be."""
    point = point_at(run, run.analysis.get("interference_metrics"), step)
    return finite(point["alignment"]["noise_floor"]) if point else None


def anisotropy(run: "RunResults", part: str, definition: str, direction: str, step: str) -> Estimate:
    """Curvature along a direction over that of random ones.

    A null's backbone is partly the direction of weight decay and otherwise random. With c its cosine with theta_0
    it has c^2 times the anisotropy along -theta_0, and 1 - c^2 besides.
    """
    point = point_at(run, (run.analysis.get("fisher") or {}).get("points"), step)
    found = next((q for q in (point or {}).get("quotients", []) if q["definition"].startswith(definition)), None)
    if not found or direction not in found["labels"]:
        return Estimate(None, why="no curvature at that step")

    def along(label: str) -> Estimate:
        at = found["labels"].index(label)
        return estimate(found["anisotropy"][at], found["anisotropy_se"][at])

    observed = along(direction)
    if part == "observed":
        return observed
    c = finite(run.value("null", "G0.start_cosine"))
    if direction != "v_b" or part not in ("null", "excess") or "-theta_0" not in found["labels"] or c is None:
        return Estimate(None, why="no null is defined")
    decay = along("-theta_0")
    null = None if decay.value is None else c**2 * decay.value + 1 - c**2
    if part == "null":
        return estimate(null, None if decay.error is None else c**2 * decay.error)
    return estimate(minus(observed.value, null), observed.error)


def memory(run: "RunResults", part: str, what: str) -> Estimate:
    found = run.backbone.get("memory")
    if not found:
        return Estimate(None, why="no memory was fitted")
    value = finite(found[MEMORY[what]])
    unit = {"share": 100.0, "time": run.time_scale}.get(what, 1.0)
    return estimate(None if value is None else value * unit)


MEMORY = {"time": "time_constant"} | {name: name for name in ("share", "fitted", "judged", "size")}
MEASURED = {
    "I": Quantity(interference, null=False, sampled=True, digits=3),
    "A": Quantity(alignment, null=False, sampled=True, digits=3),
    "Q": Quantity(anisotropy, sampled=True),
    "M": Quantity(memory, null=False),
}
