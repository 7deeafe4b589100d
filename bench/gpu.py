r"""`python -m bench.gpu`: tokens a second, FLOPs utilisation and memory of the paper profile on a GPU.

First the step alone on random tokens, in its parts and whole; then, with `--set` naming a corpus, a real training
with its evaluations, snapshots and checkpoints, and what 4000 steps of it would take:

    python -m bench.gpu --steps 400 --set 'task.corpus.source=file task.corpus.path=stories.jsonl \
        task.tokenizer.path=gpt2.json'
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from lib.base.errors import BadInput
from lib.base.files import json_text, write_atomically
from lib.models.gpt import build_model
from lib.optim import adamw
from lib.params.run import Params
from lib.params.study import load_study
from lib.tasks.stories.batches import Batch
from lib.tasks.stories.loss import piece_rows
from lib.tasks.stories.task import training_loss
from lib.train.loop import train
from lib.train.run_record import run_record
from lib.train.size import flops_per_token, training_memory

# Dense bfloat16 matrix rates as their makers give them, FLOP/s, by a part of the device's name.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}
VOCAB = 50257


def random_batch(p: Params, vocab: int, seed: int) -> Batch:
    tokens = np.random.default_rng(seed).integers(0, vocab, (p.batch.size, p.model.context + 1))
    answer = np.zeros((p.batch.size, p.model.context), dtype=bool)
    answer[::5, 40] = True
    return Batch(tokens, ~answer, answer, tokens[:, 0], answer.any(1))


def wait(device: torch.device) -> float:
    """The time once the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def measure_steps(p: Params, vocab: int, device: torch.device, steps: int, compiled: bool) -> dict[str, float]:
    """Seconds of a step after the warm-up, all in one stretch as in training, and of its parts one by one."""
    autocast = device.type == "cuda" and p.train.precision == "bf16"
    model = build_model(p.model, vocab, p.seed).to(device)
    optimizer = adamw.build(model, p.optim)
    loss_of = training_loss(model, p, device, autocast=autocast, compiled=compiled)
    batches = [random_batch(p, vocab, seed) for seed in range(4)]

    def step(at: int) -> None:
        for micro in range(p.batch.accumulate):
            loss_of(batches[(at + micro) % len(batches)], 1).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), p.optim.clip, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    begun = wait(device)
    for at in range(3):
        step(at)
    warm = wait(device)
    for at in range(steps):
        step(at)
    done = wait(device)
    found = {"warm-up": warm - begun, "step": (done - warm) / steps}
    for at in range(5):
        t0 = wait(device)
        loss = loss_of(batches[at % len(batches)], 1)
        t1 = wait(device)
        loss.backward()
        t2 = wait(device)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        t3 = wait(device)
        parts = {"forward, loss and its gradient": t1 - t0, "backward": t2 - t1, "optimizer": t3 - t2}
        found |= {name: min(found.get(name, took), took) for name, took in parts.items()}
    return found


def report(p: Params, vocab: int, device: torch.device, steps: int, compiled: bool) -> dict[str, object]:
    found = measure_steps(p, vocab, device, steps, compiled)
    tokens = p.batch.size * p.batch.accumulate * p.model.context
    rate = tokens / found["step"]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    peak = next((rate for part, rate in PEAKS.items() if part in name), None)
    flops = rate * flops_per_token(p.model, vocab)
    bf16 = p.train.precision == "bf16" and device.type == "cuda"
    memory = training_memory(p, vocab, piece_rows(vocab, device.type), bf16)
    return {
        "device": name,
        "seconds": found,
        "tokens_per_second": rate,
        "flops_per_second": flops,
        "utilisation": flops / peak if peak else None,
        "seconds_for_4000_steps": 4000 * found["step"],
        "memory_expected": memory.total,
        "memory_measured": torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None,
    }


def whole_run(overrides: str, steps: int) -> dict[str, object]:
    """A training of `steps` steps of the paper profile through the real loop, in a folder of its own."""
    shorter = f"schedule.steps={steps} schedule.warmup={steps // 3} task.lambda_step={steps}"
    # What is measured later is measured at steps that a shorter run does not reach.
    nothing = f"snapshots.whole=[{steps}] analysis.fisher_steps=[] analysis.interference_steps=[]"
    p = load_study("beta2", "paper", f"{shorter} {nothing} {overrides}", axes={}).runs[0].params
    with tempfile.TemporaryDirectory(prefix="bench-gpu-") as home:
        started = time.monotonic()
        train(p, Path(home) / "run", Path("outputs") / "corpora")
        whole = time.monotonic() - started
        record = run_record(Path(home) / "run")
    return {
        "state": record.state,
        "step": record.step,
        "seconds": record.seconds,
        "tokens_per_second": record.tokens_per_second,
        "with_start": whole,
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--set", default="", help="of the real training: where its stories and tokenizer are")
    parser.add_argument("--outputs", type=Path, default=Path("outputs"))
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        raise BadInput("python -m bench.gpu: no CUDA device is visible here; make bench measures the CPU")
    p = load_study("beta2", "paper", "", axes={}).runs[0].params
    found = {"step": report(p, VOCAB, torch.device("cuda"), options.steps, p.machine.compile)}
    if options.set:
        found["training"] = whole_run(options.set, options.steps)
    path = options.outputs / "bench" / "gpu.json"
    write_atomically(path, json_text(found))
    print(json.dumps(found, indent=1), f"\nwritten to {path}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
