"""A run's folder: who owns it, what it says of itself, and its live progress."""

import contextlib
import json
import math
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from lib.base import provenance
from lib.base.clock import now_text
from lib.base.errors import BadInput
from lib.base.files import CURRENT, PREVIOUS, content_hash, json_text, write_atomically
from lib.base.files import fingerprint as fingerprint_of
from lib.base.locks import hold
from lib.params.dotted import flatten
from lib.params.run import Params, differences, dump_params, identity, load_params, run_hash
from lib.train.divergence import State
from lib.train.identity import training_code
from lib.train.records import lost_file, read_record

# What a record says that is so however often the training begins.
LASTING = ("name", "state", "reason", "steps", "identity", "data_files", "commit", "dirty", "machine")
LOCK_PATIENCE = 15.0  # seconds in which the orphan of a killed process notices and goes


class RunFolder:
    """Exclusive hold on a run's folder while it trains; `record` is its run.json."""

    def __init__(self, folder: Path, params: Params, hardware: dict[str, Any]) -> None:
        self.folder, self.params, self.hardware = folder, params, hardware
        self.record: dict[str, Any] = {}
        self.name = folder.name

    def __enter__(self) -> "RunFolder":
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = hold(self.folder / ".lock", self.folder, LOCK_PATIENCE)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None and self.record.get("state") == "training":
            reason = "interrupted" if isinstance(error, KeyboardInterrupt) else f"{kind.__name__}: {error}"
            try:
                self._write(state="failed", reason=reason)
            except (OSError, BadInput):
                pass  # the error under way says more than one about its record
        os.close(self._lock)

    @property
    def finished(self) -> bool:
        return self.record.get("state") in ("done", "diverged")

    def claim(self, key: str, fingerprint: str, files: dict[str, str]) -> None:
        """Make the folder this run's, or refuse it by the name of what differs.

        `key` names what the data are made from, `fingerprint` is that of the data themselves, and `files` are
        those of them that the folder keeps, by name.
        """
        fixed = {
            "params": run_hash(self.params),
            "code": training_code(self.params),
            "data": key,
            "fingerprint": fingerprint,
            "versions": provenance.versions(),
            "device": self.hardware["kind"],
            "processes": self.hardware["processes"],
        }
        path = self.folder / "params.yaml"
        if path.exists():
            theirs = load_params(path)
            changed = differences(identity(theirs), identity(self.params))
            if changed:
                was, now = (_at(identity(x), changed[0]) for x in (theirs, self.params))
                raise BadInput(
                    f"{self.folder}: this folder holds a run of other parameters: {', '.join(changed)} "
                    f"({changed[0]} was {was}, now {now}); give the new run another folder or move this one away"
                )
        before = read_record(self.folder)
        if before and before.get("identity"):
            # A finished run stands, whatever code and versions are here now; its record says what made it.
            finished = before.get("state") in ("done", "diverged")
            matters = ("data", "fingerprint") if finished else tuple(fixed)
            changed = differences({k: before["identity"].get(k) for k in matters}, {k: fixed[k] for k in matters})
            if changed:
                was, now = _at(before["identity"], changed[0]), _at(fixed, changed[0])
                raise BadInput(
                    f"{self.folder}: this run cannot go on as it began: {', '.join(changed)} changed"
                    f"{changed_file(self.params, changed)} "
                    f"({changed[0]} was {was}, now {now}); move the folder away to train it anew"
                )
            if before["identity"]["code"] != fixed["code"]:
                self.say("this finished run was trained by other code than what is here now")
            self.record = before
        if self.finished:
            lost = lost_file(self.folder, self.params)
            if not lost:
                return
            # Whatever is gone comes back with the same bytes, by the only way that proves it.
            self.say(f"{lost}; training this finished run again")
            self.begin_anew()
        elif not (before or {}).get("identity") and self.begin_anew():
            self.say("run.json does not say what made the saved state; training from the start")
        write_atomically(path, dump_params(self.params, self.folder))
        for name, text in files.items():
            write_atomically(self.folder / name, text)
        commit, dirty = provenance.commit()
        self._write(
            name=self.name,
            state="training",
            reason="",
            step=self.record.get("step", 0),
            steps=self.params.schedule.steps,
            identity=fixed,
            data_files={name: fingerprint_of(self.folder / name) for name in files},
            commit=commit,
            dirty=dirty,
            machine=provenance.machine() | self.hardware,
            started=self.record.get("started", now_text()),
            seconds=self.record.get("seconds", 0.0),
        )

    def begin_anew(self) -> bool:
        """Forget the saved states and how far they were, and say whether there were any."""
        self.record = {name: self.record[name] for name in LASTING if name in self.record}
        there = [name for name in (CURRENT, PREVIOUS) if (self.folder / name).exists()]
        for name in there:
            (self.folder / name).unlink()
        return bool(there)

    def _write(self, **changes: Any) -> None:
        self.record = {**self.record, **changes, "updated": now_text()}
        write_atomically(self.folder / "run.json", json_text(self.record))

    def say(self, text: str) -> None:
        print(f"{self.name}: {text}", flush=True)

    def resume(self, evaluations: list[dict[str, Any]], step: int) -> None:
        """Cut the live metrics back to the checkpoint: what came after it will come again."""
        path = self.folder / "metrics.jsonl"
        if path.exists():
            lines = path.read_bytes().splitlines(keepends=True)[: len(evaluations)]
            write_atomically(path, b"".join(lines))
        if step:
            self.say(f"resuming after step {step} of {self.params.schedule.steps}")

    def append_evaluation(
        self, record: dict[str, Any], extra: dict[str, Any], evaluations: list[dict[str, Any]]
    ) -> None:
        """Add one evaluation to both files; each is whole at every moment, also when the disk fills up."""
        evaluations.append(record)
        path = self.folder / "metrics.jsonl"
        lines = path.read_bytes() if path.exists() else b""
        row = json.loads(json_text({**record, **extra}))
        line = json.dumps({**row, "seal": content_hash(row)})
        write_atomically(path, lines + f"{line}\n".encode())
        write_atomically(self.folder / "pilot_metrics.json", json_text(evaluations))

    def interrupted(self, step: int) -> None:
        self._write(step=step)
        self.say(f"interrupted; the state after step {step} is saved, the same command goes on from it")

    def heartbeat(self, step: int, seconds: float, rate: float, unit: str, left: float) -> None:
        self._write(step=step, seconds=seconds, tokens_per_second=round(rate), unit=unit, seconds_left=round(left))

    def stopping(self, state: State, solved: str) -> bool:
        """Divergence (where it is to stop the run, and wherever weights are lost) and early stop."""
        on = self.params.train
        if state.diverged and (on.on_divergence == "stop" or not state.diverged["finite"]):
            return True
        return on.early_stop and bool(solved)

    def finish(
        self, step: int, diverged: dict[str, Any] | None, evaluations: list[dict], solved: str, more: dict[str, Any]
    ) -> dict[str, Any]:
        """Write the last record; `more` stands in it where there is something to say."""
        changes: dict[str, Any] = {"state": "done", "step": step, "finished": now_text(), **more}
        if diverged:
            finite = [e for e in evaluations if all(map(_is_finite, e.values()))]
            changes |= {
                "state": "diverged",
                "reason": f"{diverged['reason']} at step {diverged['step']}",
                "diverged": diverged,
                "last_finite": finite[-1] if finite else None,
            }
        elif step < self.params.schedule.steps:
            changes["reason"] = f"early stop: {solved}, at step {step}"
        write_atomically(self.folder / "pilot_metrics.json", json_text(evaluations))
        (self.folder / PREVIOUS).unlink(missing_ok=True)
        self.record.pop("seconds_left", None)
        self._write(**changes)
        return self.record


def record_failure(folder: Path, reason: str) -> None:
    """Write why a training stopped, for one that could not do it itself."""
    record = read_record(folder)
    if record and record.get("state") in ("training", "failed"):
        record |= {"state": "failed", "reason": reason, "updated": now_text()}
        with contextlib.suppress(OSError, BadInput):  # the failure itself says more than one about its record
            write_atomically(folder / "run.json", json_text(record))


def changed_file(p: Params, changed: list[str]) -> str:
    """' with the text of FILE (task.corpus.path)' where data from local files are what changed."""
    values = flatten(p.task.model_dump(mode="json"))
    paths = {f"task.{name}": value for name, value in values.items() if name.endswith("path") and value}
    named = " or ".join(f"{path} ({key})" for key, path in paths.items())
    return f" with the text of {named}" if named and "data" in changed else ""


def _at(data: Any, name: str) -> Any:
    for part in name.split("."):
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _is_finite(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))
