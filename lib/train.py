"""The training loop: evaluate, snapshot, notice divergence, checkpoint, resume exactly.

`train(params, folder)` is the whole interface. Called on a folder with an interrupted run it goes on from the
newest checkpoint and ends with the same bytes as a run that was never interrupted; called on a finished run
it returns at once. A reheat is the same loop, started from a snapshot with a fresh optimizer.
"""

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lib import provenance
from lib.batches import Batch, batch, validation_batch
from lib.checkpoint import load_checkpoint, save_checkpoint
from lib.corpus import Corpus, build_corpus, corpora_folder, corpus_key
from lib.errors import BadInput
from lib.evaluate import evaluate_all
from lib.interrupts import Interrupts
from lib.model import GPT, build_model
from lib.optim import build_optimizer, learning_rate, probe_weight
from lib.params import Params, is_evaluation, run_hash, snapshot_steps
from lib.probe import build_probes, eval_sets
from lib.runfolder import Progress, RunFolder
from lib.snapshots import load_tensors, write_snapshot

# Steps between looks at the losses. On a GPU a look waits for the device; the steps are fixed, so that
# what a run notices, and when, does not depend on timing.
LOOK_EVERY = {"cpu": 1, "cuda": 10}
RUNAWAY_LOSS = 5.0  # times the first loss ...
RUNAWAY_STEPS = 10  # ... for this many steps in a row is a divergence with finite values


@dataclass
class State:
    """What a run carries from step to step besides weights and optimizer; saved with every checkpoint."""

    step: int = 0
    first_loss: float = math.nan
    runaway: int = 0  # consecutive steps with a runaway loss
    decay: float = 1.0  # product of (1 - lr * weight_decay): what decay alone leaves of theta_0
    data: str = ""  # hash chain over every batch so far
    losses: list[float] = field(default_factory=list)  # composite losses since the last evaluation
    norms: list[float] = field(default_factory=list)  # gradient norms, likewise
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    diverged: dict[str, Any] | None = None


def train(params: Params, folder: Path, corpora: Path | None = None) -> dict[str, Any]:
    """Train `params` in `folder`, resuming whatever is there; returns the final run.json.

    Raises BadInput when the folder holds a run of other parameters, code, corpus or versions (saying which),
    when another process is training in it, or when something on disk cannot be read.
    """
    device = choose_device(params)
    torch.set_num_threads(min(params.train.threads, provenance.machine()["cores"]))
    corpora = corpora or corpora_folder(folder)
    with RunFolder(folder, params, hardware(device)) as run:
        corpus = build_corpus(params, corpora)
        run.claim(corpus_key(params), corpus.fingerprint)
        if run.finished:
            return run.record
        with Interrupts() as asked:
            return _loop(params, run, corpus, device, asked)


def choose_device(params: Params) -> torch.device:
    wanted = params.machine.device
    if wanted == "cuda" and not torch.cuda.is_available():
        raise BadInput("machine.device = cuda, and no CUDA device is visible here; use cpu or auto")
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(wanted)


def hardware(device: torch.device) -> dict[str, Any]:
    """What the run is trained on, for its record."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return {"kind": device.type, "device": name, "threads": torch.get_num_threads()}


def _loop(p: Params, run: RunFolder, corpus: Corpus, device: torch.device, asked: Interrupts) -> dict[str, Any]:
    probes = build_probes(corpus, p)
    sets = eval_sets(corpus, probes, p)
    run.write_codewords(probes.codewords)
    autocast = device.type == "cuda" and p.train.precision == "bf16"

    model = initial_model(p, corpus).to(device)
    theta_0 = {name: t.detach().clone() for name, t in model.trunk().items()}
    optimizer = build_optimizer(model, p.optim)
    saved, complaints = load_checkpoint(run.folder, model, optimizer, run_hash(p))
    for complaint in complaints:
        run.say(complaint)
    state = State(**saved) if saved else State()
    run.resume(state.evaluations, state.step)
    forward = torch.compile(model) if p.machine.compile and device.type == "cuda" else model

    snapshots = set(snapshot_steps(p))
    if state.step == 0:
        save_snapshot(run, p, model, 0)
    progress = Progress(run, p, state.step)
    device_losses: list[Tensor] = []
    device_norms: list[Tensor] = []

    while state.step < p.schedule.steps and not run.stopping(state, p):
        step = state.step + 1
        lr, lam = learning_rate(step, p.optim.lr, p.schedule), probe_weight(step, p.schedule)
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = torch.zeros((), device=device)
        for micro in range(p.batch.accumulate):
            example = batch(corpus, probes, p, step, micro)
            state.data = chain(state.data, example.digest)
            micro_loss = composite_loss(forward, model, example, lam, device, autocast) / p.batch.accumulate
            micro_loss.backward()
            loss += micro_loss.detach()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), p.optim.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        state.step = step
        state.decay *= 1 - lr * p.optim.weight_decay
        device_losses.append(loss)
        device_norms.append(norm)

        evaluating = is_evaluation(step, p)
        if step % LOOK_EVERY[device.type] == 0 or evaluating or step in snapshots:
            state.losses += torch.stack(device_losses).tolist()
            state.norms += torch.stack(device_norms).tolist()
            look(state, len(device_losses))
            device_losses, device_norms = [], []
            progress.step(step, state.losses[-1])
            if evaluating:
                scores, correct = evaluate_all(model, validation_batch(corpus, p, step), sets, autocast)
                record = evaluation_record(state, p, scores, lr, lam, trunk_geometry(model, theta_0, state))
                run.append_evaluation(record, {**correct, "data": state.data}, state.evaluations)
                judge(state, scores["val_loss"], corpus.vocab)
                state.losses, state.norms = [], []
            if step in snapshots or run.stopping(state, p):
                save_snapshot(run, p, model, step)
            if progress.checkpoint_due() or asked.to_stop:
                save_checkpoint(run.folder, model, optimizer, vars(state), run_hash(p))
                run.checkpointed(step)
            if asked.to_stop:
                progress.close()
                run.say(f"interrupted; the state after step {step} is saved, the same command goes on from it")
                raise KeyboardInterrupt

    save_checkpoint(run.folder, model, optimizer, vars(state), run_hash(p))
    progress.close()
    return run.finish(state.step, state.diverged, state.evaluations)


def initial_model(p: Params, corpus: Corpus) -> GPT:
    """Seeded initial weights, or for a reheat those of the snapshot it starts from."""
    model = build_model(p.model, corpus.vocab, p.seed)
    if p.start is None:
        return model
    path = Path(p.start.snapshot)
    tensors, metadata = load_tensors(path)
    if metadata["digest"] != p.start.digest:
        raise BadInput(f"{path}: this snapshot is not the one the reheat was defined with; its digest differs")
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    if missing or unexpected:
        raise BadInput(
            f"{path}: this snapshot holds only {len(tensors)} tensors of the model; a reheat starts from a step "
            "in snapshots.whole"
        )
    return model


def composite_loss(
    forward: torch.nn.Module, model: GPT, b: Batch, lam: float, device: torch.device, autocast: bool
) -> Tensor:
    """Mean CE over language positions + lambda * mean CE over answer positions; an empty mean is 0.

    With lambda = 0 the codeword is ordinary text: plain CE over all scored positions.
    """
    language, answer = split_losses(forward, model, b, device, autocast)
    if lam == 0:
        return torch.cat([language, answer]).mean()
    zero = torch.zeros((), device=device)
    return (language.mean() if language.numel() else zero) + lam * (answer.mean() if answer.numel() else zero)


def split_losses(
    forward: torch.nn.Module, model: GPT, b: Batch, device: torch.device, autocast: bool
) -> tuple[Tensor, Tensor]:
    """Cross-entropies at (language, answer) positions; logits exist at those positions only."""
    tokens = torch.from_numpy(b.tokens).to(device, non_blocking=True)
    targets = tokens[:, 1:].reshape(-1)
    where = [torch.from_numpy(mask.ravel().nonzero()[0]).to(device) for mask in (b.language, b.answer)]
    with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
        hidden = forward(tokens[:, :-1]).flatten(0, 1)
        index = torch.cat(where)
        logits = model.head(hidden[index])
    losses = F.cross_entropy(logits.float(), targets[index], reduction="none")
    return losses[: len(where[0])], losses[len(where[0]) :]


def chain(previous: str, digest: str) -> str:
    """One short hash that stands for every batch so far, in order."""
    return hashlib.blake2b((previous + digest).encode(), digest_size=8).hexdigest()


# ------------------------------------------------------------------------------------------ what a run notices


def look(state: State, new: int) -> None:
    """Notice non-finite and runaway losses among the last `new` steps."""
    steps = range(state.step - new + 1, state.step + 1)
    for step, loss, norm in zip(steps, state.losses[-new:], state.norms[-new:], strict=True):
        if math.isnan(state.first_loss):
            state.first_loss = loss
        if not (math.isfinite(loss) and math.isfinite(norm)):
            what = "loss" if not math.isfinite(loss) else "gradient"
            notice(state, step, f"non-finite {what}", finite=False)
            return
        state.runaway = state.runaway + 1 if loss > RUNAWAY_LOSS * state.first_loss else 0
        if state.runaway >= RUNAWAY_STEPS:
            notice(state, step, f"loss above {RUNAWAY_LOSS:g} times its first value for {RUNAWAY_STEPS} steps")


def judge(state: State, val_loss: float, vocab: int) -> None:
    """Notice an evaluation that is non-finite, or worse than twice a uniform guess."""
    if not math.isfinite(val_loss):
        notice(state, state.step, "non-finite validation loss", finite=False)
    elif val_loss > 2 * math.log(vocab):
        notice(state, state.step, f"validation loss {val_loss:.4g} above 2 ln V = {2 * math.log(vocab):.4g}")


def notice(state: State, step: int, reason: str, finite: bool = True) -> None:
    if state.diverged is None:
        state.diverged = {"step": step, "reason": reason, "finite": finite}
    elif not finite and state.diverged["finite"]:
        state.diverged |= {"finite": False, "then": f"{reason} at step {step}"}


# --------------------------------------------------------------------------------------------- what a run records


@torch.no_grad()
def trunk_geometry(model: GPT, theta_0: dict[str, Tensor], state: State) -> dict[str, float]:
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
    state: State, p: Params, scores: dict[str, float], lr: float, lam: float, trunk: dict[str, float]
) -> dict[str, Any]:
    """One entry of pilot_metrics.json: the reference's fields, then ours."""
    clip = [min(1.0, p.optim.clip / (norm + 1e-6)) for norm in state.norms]
    return {
        "step": state.step,
        "train_loss": sum(state.losses) / len(state.losses),
        **scores,
        "cur_lambda": lam,
        "lr": lr,
        "grad_norm": sum(state.norms) / len(state.norms),
        "clip_factor": sum(clip) / len(clip),
        **trunk,
    }


def save_snapshot(run: RunFolder, p: Params, model: GPT, step: int) -> None:
    """The trunk in its registered order, or the whole model where a later stage needs it."""
    tensors = dict(model.trunk())
    if step in p.snapshots.whole or step == p.schedule.steps:
        tensors = dict(model.named_parameters())
    write_snapshot(run.folder, step, tensors, run_hash(p))
