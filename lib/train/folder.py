"""A run's folder: who owns it, what it says of itself, and its live progress."""

import contextlib
import errno
import fcntl
import json
import math
import os
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from tqdm import tqdm

from lib.base import provenance
from lib.base.errors import BadInput, plain_name
from lib.base.files import CURRENT, PREVIOUS, content_hash, json_text, write_atomically
from lib.params.run import Params, differences, dump_params, identity, load_params, reheat_name, run_hash
from lib.train.records import lost_file, read_record

LINE_SECONDS = 5.0  # between progress lines where there is no terminal
# The reference's early stop: p_ood of at least this in so many evaluations in a row.
EARLY_STOP_ACCURACY, EARLY_STOP_EVALUATIONS = 0.8, 5
LOCK_PATIENCE = 15.0  # seconds in which the orphan of a killed process notices and goes


class RunFolder:
    """Exclusive hold on a run's folder while it trains; `record` is its run.json."""

    def __init__(self, folder: Path, params: Params, hardware: dict[str, Any]) -> None:
        self.folder, self.params, self.hardware = folder, params, hardware
        self.record: dict[str, Any] = {}
        self.name = reheat_name(params)

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

    def claim(self, corpus: str, fingerprint: str) -> None:
        """Make the folder this run's, or refuse it by the name of what differs.

        `corpus` names what the corpus is made from, `fingerprint` the packed bytes.
        """
        fixed = {
            "params": run_hash(self.params),
            "code": provenance.training_code(),
            "corpus": corpus,
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
            matters = ("corpus", "fingerprint") if finished else tuple(fixed)
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
        write_atomically(path, dump_params(self.params))
        commit, dirty = provenance.commit()
        self._write(
            name=self.name,
            state="training",
            reason="",
            step=self.record.get("step", 0),
            steps=self.params.schedule.steps,
            identity=fixed,
            commit=commit,
            dirty=dirty,
            machine=provenance.machine() | self.hardware,
            started=self.record.get("started", now_text()),
            seconds=self.record.get("seconds", 0.0),
        )

    def begin_anew(self) -> bool:
        """Forget the saved states, and say whether there were any."""
        self.record = {}
        there = [name for name in (CURRENT, PREVIOUS) if (self.folder / name).exists()]
        for name in there:
            (self.folder / name).unlink()
        return bool(there)

    def _write(self, **changes: Any) -> None:
        self.record = {**self.record, **changes, "updated": now_text()}
        write_atomically(self.folder / "run.json", json_text(self.record))

    def say(self, text: str) -> None:
        print(f"{self.name}: {text}", flush=True)

    def write_codewords(self, codewords: list[str]) -> None:
        write_atomically(
            self.folder / "codewords.json", json_text({"codewords": codewords, "count": len(codewords)})
        )

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

    def heartbeat(self, step: int, seconds: float, rate: float, left: float) -> None:
        self._write(step=step, seconds=seconds, tokens_per_second=round(rate), seconds_left=round(left))

    def stopping(self, state: Any, p: Params) -> bool:
        """Divergence (where it is to stop the run, and wherever weights are lost) and early stop."""
        if state.diverged and (p.train.on_divergence == "stop" or not state.diverged["finite"]):
            return True
        last = [e["probe_ood_acc"] for e in state.evaluations[-EARLY_STOP_EVALUATIONS:]]
        return p.train.early_stop and len(last) == EARLY_STOP_EVALUATIONS and min(last) >= EARLY_STOP_ACCURACY

    def finish(self, step: int, diverged: dict[str, Any] | None, evaluations: list[dict]) -> dict[str, Any]:
        changes: dict[str, Any] = {"state": "done", "step": step, "finished": now_text()}
        if diverged:
            finite = [e for e in evaluations if all(map(_is_finite, e.values()))]
            changes |= {
                "state": "diverged",
                "reason": f"{diverged['reason']} at step {diverged['step']}",
                "diverged": diverged,
                "last_finite": finite[-1] if finite else None,
            }
        elif step < self.params.schedule.steps:
            held = f"p_ood held {EARLY_STOP_ACCURACY} for {EARLY_STOP_EVALUATIONS} evaluations"
            changes["reason"] = f"early stop: {held}, at step {step}"
        write_atomically(self.folder / "pilot_metrics.json", json_text(evaluations))
        (self.folder / PREVIOUS).unlink(missing_ok=True)
        self.record.pop("seconds_left", None)
        self._write(**changes)
        return self.record


class Progress:
    """A bar in a terminal or a live notebook, elsewhere one plain line every few seconds."""

    def __init__(self, run: RunFolder, p: Params, done: int) -> None:
        self.run, self.total, self.done = run, p.schedule.steps, done
        self.tokens = p.batch.size * p.batch.accumulate * p.model.context
        self.checkpoint_seconds = p.machine.checkpoint_seconds
        self.before = run.record.get("seconds", 0.0)
        self.start = self.lined = self.saved = time.monotonic()
        plain = os.environ.get("BACKBONE_PROGRESS") == "lines" or not (sys.stderr.isatty() or _in_notebook())
        self.bar = None if plain else tqdm(total=self.total, initial=done, desc=run.name, unit="step")

    def step(self, step: int, loss: float) -> None:
        now = time.monotonic()
        if self.bar is not None:
            self.bar.update(step - self.bar.n)
            self.bar.set_postfix(loss=f"{loss:.3f}", tok_s=f"{self._rate(step, now):,.0f}", refresh=False)
        if now - self.lined >= LINE_SECONDS or step == self.total:
            self.lined = now
            rate = self._rate(step, now)
            left = (self.total - step) * self.tokens / rate
            self.run.heartbeat(step, self.before + now - self.start, rate, left)
            if self.bar is None:
                self.run.say(f"step {step}/{self.total}  loss {loss:.3f}  {rate:,.0f} tok/s  {clock(left)} left")

    def _rate(self, step: int, now: float) -> float:
        return (step - self.done) * self.tokens / max(now - self.start, 1e-9)

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


def hold(path: Path, what: Path, patience: float) -> int:
    """An exclusive lock for as long as the returned descriptor lives, or a sentence that says who has it."""
    # Not through a link: what it leads to would be emptied.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = plain_name(path.read_text(errors="replace").strip()) or "another process"
                os.close(handle)
                raise BadInput(f"{what}: {holder} is working here; wait for it, or stop it first") from None
            time.sleep(0.2)
        except OSError as error:
            os.close(handle)
            if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            raise BadInput(
                f"{what}: this file system has no locks ({error.strerror}), so two machines could write here at "
                "once; put OUTPUTS on one that has, or mount it with locks (Lustre: -o flock)"
            ) from None
    with contextlib.suppress(OSError):  # on a full disk a lock without a name is still a lock
        os.truncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()} since {now_text()}".encode(), 0)
    return handle


def record_failure(folder: Path, reason: str) -> None:
    """Write why a training stopped, for one that could not do it itself."""
    record = read_record(folder)
    if record and record.get("state") in ("training", "failed"):
        record |= {"state": "failed", "reason": reason, "updated": now_text()}
        with contextlib.suppress(OSError, BadInput):  # the failure itself says more than one about its record
            write_atomically(folder / "run.json", json_text(record))


def now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


def changed_file(p: Params, changed: list[str]) -> str:
    """' with the text of FILE (corpus.path)' where a corpus of local files is what changed."""
    paths = {"corpus.path": p.corpus.path, "corpus.validation_path": p.corpus.validation_path}
    named = " or ".join(f"{path} ({key})" for key, path in paths.items() if path)
    return f" with the text of {named}" if named and "corpus" in changed else ""


def _at(data: Any, name: str) -> Any:
    for part in name.split("."):
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _is_finite(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def _in_notebook() -> bool:
    return "ipykernel" in sys.modules
