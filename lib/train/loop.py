"""The training loop: evaluate, snapshot, notice divergence, checkpoint, resume exactly.

`train(params, folder)` is the whole interface. Called on a folder with an interrupted run it goes on from the
newest checkpoint and ends with the same bytes as a run that was never interrupted; called on a finished run
it returns at once. A reheat is the same loop, started from a snapshot with a fresh optimizer.
"""

import contextlib
import hashlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from lib.base import provenance
from lib.base.errors import BadInput
from lib.base.interrupts import Interrupts
from lib.base.tensors import write_snapshot
from lib.models.look import Look
from lib.models.products import fast_products
from lib.optim.schedules import learning_rate
from lib.params.cadence import is_evaluation, is_whole, snapshot_steps
from lib.params.members import member
from lib.params.run import Params, run_hash
from lib.train import parallel
from lib.train.average import Average
from lib.train.checkpoint import full_state, load_checkpoint, save_checkpoint
from lib.train.divergence import State, judge, look
from lib.train.events import jumps, solved, spike
from lib.train.folder import RunFolder
from lib.train.parallel import Ranks
from lib.train.places import data_store
from lib.train.progress import Progress
from lib.train.records import lost_before, read_record
from lib.train.states import restore_optimizer, whole_model, write_state
from lib.train.watch import Watch
from lib.train.whole import Whole
from lib.train.writer import Writer, frozen

# Steps between looks at the losses. On a GPU a look waits for the device; the steps are fixed, so that
# what a run notices, and when, does not depend on timing.
LOOK_EVERY = {"cpu": 1, "cuda": 10}


def train(params: Params, folder: Path, store: Path | None = None) -> dict[str, Any]:
    """Train `params` in `folder`, resuming whatever is there; returns the final run.json.

    With machine.processes above 1 that many processes share every batch (`lib.train.parallel`); only the first
    of them returns a record.

    `store` is where prepared data are kept: by default beside the study, for all studies there.

    Raises BadInput when the folder holds a run of other parameters, code, corpus or versions (saying which),
    when another process is training in it, or when something on disk cannot be read.
    """
    device = choose_device(params)
    torch.set_num_threads(min(params.train.threads, provenance.machine()["cores"]))
    store = store or data_store(folder)
    if params.machine.processes > 1 and not parallel.launched():
        parallel.launch(params, folder, store)
        return read_record(folder)
    task = member("task", params.task.name)
    with parallel.joined(device) as ranks:
        keeper = RunFolder(folder, params, hardware(ranks)) if ranks.first else contextlib.nullcontext()
        with keeper as run:
            data = ranks.first_then_all(lambda: task.prepare(params, store))
            if run:
                run.claim(params.task.data_key(), data.fingerprint, data.files)
            if not ranks.any(run is not None and run.finished):
                with Interrupts() as asked:
                    _loop(params, run, task, data, ranks, asked)
            return run.record if run else {}


def choose_device(params: Params) -> torch.device:
    wanted = params.machine.device
    if wanted == "cuda" and not torch.cuda.is_available():
        raise BadInput("machine.device = cuda, and no CUDA device is visible here; use cpu or auto")
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    processes = params.machine.processes
    if wanted == "cuda" and processes > torch.cuda.device_count():
        raise BadInput(f"machine.processes = {processes}, and {torch.cuda.device_count()} CUDA devices are visible")
    if processes > max(1, params.batch.size):
        raise BadInput(
            f"machine.processes = {processes} cannot share the {params.batch.size} sequences of batch.size"
        )
    return torch.device(wanted)


def hardware(ranks: Ranks) -> dict[str, Any]:
    """What the run is trained on, for its record."""
    kind = ranks.device.type
    name = torch.cuda.get_device_name(ranks.device) if kind == "cuda" else "cpu"
    return {"kind": kind, "device": name, "threads": torch.get_num_threads(), "processes": ranks.world}


def _loop(p: Params, run: RunFolder | None, task: ModuleType, data: Any, ranks: Ranks, asked: Interrupts) -> None:
    """Train to the end, or until asked to stop. `run` is the first process's alone: the others write nothing."""
    device = ranks.device
    autocast = device.type == "cuda" and p.train.precision == "bf16"
    compiled = device.type == "cuda" and p.machine.compile

    model = initial_model(p, data).to(device)
    theta_0 = {name: t.detach().clone() for name, t in model.trunk().items()}
    optimizers = member("optim", p.optim.name)
    optimizer = optimizers.build(model, p.optim)
    for group in optimizer.param_groups:
        group["seed"] = p.seed  # for those that draw noise
    average = Average(model, p.snapshots.average if run else None)  # of the process that writes the snapshots
    whole = Whole(Look(model, optimizer, task, data, p)) if run and p.train.watch else None
    watch = Watch(model, optimizer, optimizers, p, p.train.watch_every if run else None, whole)
    state = State()
    if run:
        state = restore(run, p, model, optimizer, average, watch)
        if state.step == 0 and p.start and p.start.state:
            restore_optimizer(Path(p.start.snapshot), model, optimizer)
    state = ranks.spread(model, optimizer, state)
    loss_of = task.training_loss(model, p, device, ranks.share, autocast, compiled)
    if compiled:  # before the clock of the first step starts
        loss_of(task.batch(data, p, 1), 1).backward()
        optimizer.zero_grad(set_to_none=True)

    snapshots, states = set(snapshot_steps(p)), set(p.snapshots.state)
    progress = Progress(run, data.pace(p), state.step) if run else None
    device_losses: list[Tensor] = []
    device_norms: list[Tensor] = []
    with fast_products(model, device), Writer() as writer:
        if run and state.step == 0:
            queue_snapshot(writer, run, p, model, average, 0)
        reason = solved(task, state.evaluations, p)
        ended = ranks.any(run is not None and run.stopping(state, reason))
        while state.step < p.schedule.steps and not ended:
            step = state.step + 1
            lr = learning_rate(step, p.optim.lr, p.schedule)
            for group in optimizer.param_groups:
                group["lr"] = lr
            loss = torch.zeros((), device=device)
            for micro in range(p.batch.accumulate):
                example = task.batch(data, p, step, micro)
                state.data = chain(state.data, example.digest)
                micro_loss = loss_of(example, step)
                micro_loss.backward()
                loss += micro_loss.detach()
            ranks.sum_gradients(model)
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), p.optim.clip, foreach=True)
            watch.before_step(step, lr)
            optimizer.step()
            watch.after_step(step, lr, state.events[-1]["step"] if state.events else None)
            optimizer.zero_grad(set_to_none=True)
            average.update()
            state.step = step
            state.decay *= 1 - optimizers.decay(lr, p.optim)
            device_losses.append(loss)
            device_norms.append(norm)

            evaluating = is_evaluation(step, p)
            if not (step % LOOK_EVERY[device.type] == 0 or evaluating or step in snapshots | states):
                continue
            state.losses += ranks.sum(torch.stack(device_losses)).tolist()
            state.norms += torch.stack(device_norms).tolist()
            look(state, len(device_losses))
            happened = [event] if run and (event := spike(state, p, len(device_losses))) else []
            device_losses, device_norms = [], []
            if run:
                progress.step(step, state.losses[-1])
            if evaluating:
                if run:
                    scores, correct = task.evaluate(model, data, p, step, autocast)
                    told = optimizers.measured(optimizer) if hasattr(optimizers, "measured") else {}
                    record = evaluation_record(state, p, scores, lr, trunk_geometry(model, theta_0, state)) | told
                    run.append_evaluation(record, {**correct, "data": state.data}, state.evaluations)
                    watch.save(run.folder)
                    judge(state, scores[task.JUDGED], data.outcomes)
                    happened += jumps(state.evaluations, p)
                    reason = solved(task, state.evaluations, p)
                state.losses, state.norms = [], []
            state.events += happened
            ended = ranks.any(run is not None and run.stopping(state, reason))
            stop = ranks.any(asked.to_stop)
            if run and (step in snapshots or ended):
                queue_snapshot(writer, run, p, model, average, step)
            if run and (step in states or happened):
                queue_state(writer, run, p, model, optimizer, step)
            if run and (stop or progress.checkpoint_due()):
                watch.save(run.folder)  # first: a checkpoint is never ahead of it
                queue_checkpoint(writer, run, p, full_state(model, optimizer, average), state)
            if stop:
                writer.flush()
                if run:
                    progress.close()
                    run.interrupted(step)
                raise KeyboardInterrupt
        if run:
            watch.save(run.folder)
            queue_checkpoint(writer, run, p, full_state(model, optimizer, average), state)
    if run:
        progress.close()
        told = {"events": state.events, "watched": whole.spent if whole else {}}
        more = {name: found for name, found in told.items() if found}
        run.finish(state.step, state.diverged, state.evaluations, reason, more)


def restore(
    run: RunFolder, p: Params, model: nn.Module, optimizer: torch.optim.Optimizer, average: Average, watch: Watch
) -> State:
    """Put everything where the run's newest readable checkpoint left it."""
    start = {name: t.detach().clone() for name, t in model.named_parameters()}
    saved, complaints = load_checkpoint(run.folder, model, optimizer, run_hash(p), average)
    for complaint in complaints:
        run.say(complaint)
    before = State(**saved) if saved else State()
    if saved and (lost := lost_before(run.folder, p, before.step, before.evaluations, before.events)):
        run.say(f"{lost}; training from the start")
        run.begin_anew()
        saved = None
        model.load_state_dict(start)
        average.restart()
        optimizer.state.clear()
    state = State(**saved) if saved else State()
    run.resume(state.evaluations, state.step)
    watch.resume(run.folder, state.step)
    return state


def initial_model(p: Params, data: Any) -> nn.Module:
    """Seeded initial weights, or for a branch those of the snapshot it starts from."""
    model = member("model", p.model.name).build(p.model, data, p.seed)
    if p.start is None:
        return model
    path = Path(p.start.snapshot)
    tensors, digest = whole_model(path)
    if digest != p.start.digest:
        raise BadInput(f"{path}: this snapshot is not the one the branch was defined with; its digest differs")
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    if missing or unexpected:
        raise BadInput(
            f"{path}: this snapshot holds only {len(tensors)} tensors of the model; a branch starts from a step "
            "in snapshots.whole"
        )
    return model


def chain(previous: str, digest: str) -> str:
    """One short hash that stands for every batch so far, in order."""
    return hashlib.blake2b((previous + digest).encode(), digest_size=8).hexdigest()


# --------------------------------------------------------------------------------------------- what a run records


@torch.no_grad()
def trunk_geometry(model: nn.Module, theta_0: dict[str, Tensor], state: State) -> dict[str, float]:
    """Norm of the trunk, its displacement from theta_0, and the part of it that decay alone explains.

    Decoupled decay multiplies theta_0 by P = prod(1 - lr * wd): a displacement of (1 - P) ||theta_0||.
    """
    squares = torch.zeros(3, dtype=torch.float64)
    for name, tensor in model.trunk().items():
        now, start = tensor.double(), theta_0[name].double()
        squares += torch.stack([now.square().sum(), (now - start).square().sum(), start.square().sum()]).cpu()
    norm, displacement, initial = squares.sqrt().tolist()
    return {
        "trunk_norm": norm,
        "trunk_displacement": displacement,
        "decay_displacement": (1 - state.decay) * initial,
    }


def evaluation_record(
    state: State, p: Params, scores: dict[str, float], lr: float, trunk: dict[str, float]
) -> dict[str, Any]:
    """One entry of pilot_metrics.json: the reference's fields, then ours."""
    clip = [min(1.0, p.optim.clip / (norm + 1e-6)) for norm in state.norms]
    return {
        "step": state.step,
        "train_loss": sum(state.losses) / len(state.losses),
        **scores,
        "lr": lr,
        "grad_norm": sum(state.norms) / len(state.norms),
        "clip_factor": sum(clip) / len(clip),
        **trunk,
    }


def queue_snapshot(
    writer: Writer, run: RunFolder, p: Params, model: nn.Module, average: Average, step: int
) -> None:
    """The trunk in its registered order, or the whole model where a later stage needs it; averaged on request."""
    trunk = model.trunk()
    fetch = frozen(average.of(dict(model.named_parameters()) if is_whole(step, p) else trunk))
    writer.submit(lambda: write_snapshot(run.folder, step, fetch(), run_hash(p), list(trunk)))


def queue_state(
    writer: Writer, run: RunFolder, p: Params, model: nn.Module, optimizer: torch.optim.Optimizer, step: int
) -> None:
    """All weights and the optimizer's memory as they are, for whoever goes on from here."""
    fetch = frozen(full_state(model, optimizer))
    writer.submit(lambda: write_state(run.folder, step, fetch(), run_hash(p)))


def queue_checkpoint(writer: Writer, run: RunFolder, p: Params, tensors: dict[str, Tensor], state: State) -> None:
    fetch, progress = frozen(tensors), json.dumps(state.saved())
    writer.submit(lambda: save_checkpoint(run.folder, fetch(), progress, run_hash(p)))
