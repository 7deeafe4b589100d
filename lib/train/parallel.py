"""One run on several devices of one machine: every process takes its share of each batch.

Data-parallel with nothing hidden: all processes assemble the same batch (it is a pure function of the step),
each takes every n-th example of it, and gradients and losses are summed. The loss is normalised by the whole
batch before it is shared out, so the sums are those of one device up to rounding. The first process alone
reads and writes files.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lib.base import provenance
from lib.base.errors import BadInput
from lib.params.run import Params, dump_params

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run: number `rank` of `world`."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        return self.rank == 0

    @property
    def share(self) -> slice:
        """Which examples of a batch are this process's."""
        return slice(self.rank, None, self.world)

    def sum(self, values: Tensor) -> Tensor:
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def sum_gradients(self, model: nn.Module) -> None:
        """Add up the gradients of all processes, as one message."""
        if self.world == 1:
            return
        gradients = [p.grad for p in model.parameters()]
        together = self.sum(torch.cat([g.flatten() for g in gradients]))
        for gradient, part in zip(gradients, together.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def any(self, here: bool) -> bool:
        """Whether it is so in any process; every process gets the same answer."""
        if self.world == 1:
            return here
        return bool(self.sum(torch.tensor([int(here)], device=self.device)).item())

    def first_then_all(self, work: Callable[[], T]) -> T:
        """Do `work` in the first process, then in the others, which find it done."""
        if self.first:
            result = work()
        if self.world > 1:
            dist.barrier()
        return result if self.first else work()

    def spread(self, model: nn.Module, optimizer: torch.optim.Optimizer, counters: T) -> T:
        """Give every process the first one's weights, optimizer state and counters."""
        if self.world == 1:
            return counters
        parameters = list(model.parameters())
        shapes = [
            {k: (v.shape, v.dtype, v.device.type) for k, v in optimizer.state[p].items() if v is not None}
            for p in parameters
        ]
        message = [counters, shapes]
        dist.broadcast_object_list(message, src=0)
        counters, shapes = message
        for parameter, entry in zip(parameters, shapes, strict=True):
            dist.broadcast(parameter.data, src=0)
            for key, (shape, dtype, kind) in entry.items():
                place = self.device if kind == self.device.type else torch.device(kind)
                if not self.first:
                    optimizer.state[parameter][key] = torch.empty(shape, dtype=dtype, device=place)
                dist.broadcast(optimizer.state[parameter][key], src=0)
        return counters


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[Ranks]:
    """The processes that torchrun started for one run, or this one alone."""
    if not launched():
        yield Ranks(0, 1, device)
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()


def launched() -> bool:
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def launch(params: Params, folder: Path, corpora: Path) -> None:
    """Train a run in `machine.processes` processes of this machine, and wait for them.

    Raises: BadInput with what they said when they fail; KeyboardInterrupt once their state is saved.
    """
    with tempfile.TemporaryDirectory(prefix="backbone-") as scratch:
        file = Path(scratch) / "params.yaml"
        file.write_text(dump_params(params), encoding="utf-8")
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += [f"--nproc-per-node={params.machine.processes}", "-m", "lib", "train"]
        command += [str(file), str(folder.resolve()), str(corpora.resolve())]
        # A session of their own: they are asked to stop once, by this process, and not by the terminal too.
        with subprocess.Popen(
            command,
            cwd=provenance.ROOT,
            env=os.environ | {"OMP_NUM_THREADS": str(params.train.threads)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as workers:
            try:
                said = _pass_on(workers, folder.name)
            except KeyboardInterrupt:
                workers.terminate()
                _pass_on(workers, folder.name)
                raise
        if workers.returncode:
            raise BadInput(said or f"{folder}: a training process ended with status {workers.returncode}")


def _pass_on(workers: subprocess.Popen[str], name: str) -> str:
    """Print the run's own lines as they come; returns the first error among all that is said."""
    error = ""
    for line in workers.stdout:
        if line.startswith("error: "):
            error = error or line.removeprefix("error: ").strip()
        elif line.startswith(name):
            print(line, end="", flush=True)
    workers.wait()
    return error
