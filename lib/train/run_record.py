"""What a run says of itself, for whoever reads its results.

The loop itself goes on with run.json as it stands (`lib.train.records.read_record`), and writes back whatever else
is in it.
"""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from lib.base.files import finite
from lib.train.records import read_record

T = TypeVar("T")


@dataclass(frozen=True)
class Identity:
    """What a run was made from; a run that has not ended goes on only with the same."""

    params: str = ""
    code: str = ""
    data: str = ""
    fingerprint: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    device: str = ""
    processes: int = 1


@dataclass(frozen=True)
class Machine:
    """What it is trained on; `kind` is cpu or cuda, and `device` the name of it."""

    system: str = ""
    processor: str = ""
    cores: int = 0
    kind: str = ""
    device: str = "cpu"
    threads: int = 1
    processes: int = 1


@dataclass(frozen=True)
class Event:
    """Something that nobody planned: noticed after `step`, happened in step `at`."""

    step: int = 0
    what: str = ""
    at: int = 0
    before: float | None = None
    after: float | None = None


@dataclass(frozen=True)
class Divergence:
    """The first sign of it, whether the weights stayed finite, and what made them otherwise if that came later."""

    step: int = 0
    reason: str = ""
    finite: bool = True
    then: str = ""


@dataclass(frozen=True)
class RunRecord:
    """The content of run.json; what a file does not say, or not as it is written here, has its default.

    state        training, done, diverged or failed; None where there is no record
    data_files   fingerprints of the data that the folder keeps, by name
    seconds      in the loop, over all interruptions
    watched      what the metrics that the run measured have cost, by name
    last_finite  the last evaluation without a non-finite number, of a run that diverged
    """

    name: str = ""
    state: str | None = None
    reason: str = ""
    step: int | None = None
    steps: int | None = None
    identity: Identity = Identity()
    data_files: dict[str, str] = field(default_factory=dict)
    commit: str = ""
    dirty: bool = False
    machine: Machine = Machine()
    started: str = ""
    updated: str = ""
    finished: str = ""
    seconds: float | None = None
    seconds_left: float | None = None
    tokens_per_second: float | None = None
    unit: str = "tok"
    events: tuple[Event, ...] = ()
    watched: dict[str, Any] = field(default_factory=dict)
    diverged: Divergence | None = None
    last_finite: dict[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return self.state in ("done", "diverged")


def run_record(folder: Path) -> RunRecord:
    """The record of a run's folder; an empty one where there is none, or none to be believed."""
    found = read_record(folder)
    if found is None:
        return RunRecord()
    events = found.get("events")
    return replace(
        _filled(RunRecord, found),
        state=found["state"],
        identity=_filled(Identity, found.get("identity")),
        machine=_filled(Machine, found.get("machine")),
        events=tuple(map(_event, events)) if isinstance(events, list) else (),
        diverged=_filled(Divergence, found["diverged"]) if found["state"] == "diverged" else None,
    )


def _event(found: dict[str, Any]) -> Event:
    return _filled(Event, {"at": found["step"], "before": found.get("from"), "after": found.get("to")} | found)


def _filled(kind: type[T], found: Any) -> T:
    """A record with the values whose types are those of its defaults; without a default it is a number."""
    known, empty = found if isinstance(found, dict) else {}, kind()
    names = [f.name for f in fields(kind) if f.name in known]
    return kind(**{name: known[name] for name in names if _fits(known[name], getattr(empty, name))})


def _fits(value: Any, default: Any) -> bool:
    if default is None or type(default) is int:
        return finite(value) is not None
    return type(value) is type(default)
