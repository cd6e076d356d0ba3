"""The processes that train one run together, on one machine or several, and what they share.

What is drawn at random is drawn for the whole batch by each of them, from the same seed; each then
works on its share. So losses and weights do not depend on how many there are.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

from chunkport.errors import MissingDependencyError, UsageError, WorkerDiedError
from train.devices import chosen_device

_PATIENCE = timedelta(hours=12)
"""How long the others wait while the first evaluates and saves."""


@dataclass(frozen=True)
class Processes:
    """One of `count` processes, or the only one, for which all of this costs nothing.

    Attributes:
        index: from 0; the first alone writes files and speaks.
        count: how many there are.
        first_here: whether it is the first on its machine.
        device: PyTorch's name of where this one works.
    """

    index: int = 0
    count: int = 1
    first_here: bool = True
    device: str = "cpu"

    @property
    def first(self) -> bool:
        """Whether it is the one that evaluates, writes and speaks."""
        return self.index == 0

    def whole(self, rows: int) -> int:
        """The rows of all processes, where this one has so many."""
        return rows * self.count

    def share(self, batch: torch.Tensor) -> torch.Tensor:
        """This process's rows of what was decided for the whole batch, a multiple of `count`."""
        rows = len(batch) // self.count
        return batch[self.index * rows : (self.index + 1) * rows]

    def drawn(self, rows: int, draw: Callable[[int], torch.Tensor]) -> torch.Tensor:
        """This process's `rows` of what `draw(rows of all)` gives, the same in every process."""
        return self.share(draw(self.whole(rows)))

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """The mean over the processes, through which gradients flow."""
        if self.count == 1:
            return values
        total: torch.Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]  # torch's own
        return total / self.count

    def average_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Put the mean over the processes in place of each one's gradients."""
        if self.count == 1:
            return
        # Not by DistributedDataParallel, which wants one backward pass through one network per
        # step: here the generator learns through the discriminator, which is then held still.
        gradients = [weight.grad for weight in parameters if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.count
        means = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))

    def from_first(self, figures: Mapping[str, float], keys: Iterable[str]) -> dict[str, float]:
        """What the first process measured, under `keys`; the others have nothing to give."""
        if self.count == 1:
            return {key: figures[key] for key in keys}
        names = tuple(keys)
        given = [figures[key] if self.first else 0.0 for key in names]
        values = torch.tensor(given, dtype=torch.float64, device=self.device)
        distributed.broadcast(values, src=0)
        return dict(zip(names, values.tolist(), strict=True))

    def random_state(self, saved: Mapping[str, Any]) -> Mapping[str, Any]:
        """A checkpoint's random state, as it is to go on here: on every GPU as on the first."""
        if self.count == 1 or not saved.get("cuda"):
            return saved
        return {**saved, "cuda": [saved["cuda"][0]] * torch.cuda.device_count()}

    def refuse_differences(self, tensors: Iterable[torch.Tensor], message: str) -> None:
        """Make sure that all have the same.

        Raises:
            UsageError: some have others; it says `message`.
        """
        if self.count == 1:
            return
        digest = hashlib.sha256()
        for tensor in tensors:
            digest.update(repr(tuple(tensor.shape)).encode())
            digest.update(tensor.detach().cpu().flatten().view(torch.uint8).numpy().data)
        mine = int.from_bytes(digest.digest()[:4], "little")
        extremes = torch.tensor([mine, -mine], device=self.device)
        distributed.all_reduce(extremes, distributed.ReduceOp.MAX)
        if extremes.tolist() != [mine, -mine]:
            raise UsageError(message)

    def refuse_strangers(self) -> None:
        """Make sure that a launcher started no more processes than work together.

        Raises:
            UsageError: it did; each of them would train the same, and write over the others.
        """
        if self.count != _launched():
            raise UsageError(
                f"{_launched()} processes were started together, and this training is done by "
                f"{self.count}; start it without a launcher"
            )

    def wait(self) -> None:
        """Until all have come here."""
        if self.count > 1:
            distributed.all_reduce(torch.zeros(1, device=self.device))


ALONE = Processes()


def _launched() -> int:
    """How many processes a launcher started together, by what it tells each; 1 without one.

    Raises:
        UsageError: it tells no number.
    """
    told = os.environ.get("WORLD_SIZE") or "1"
    if not told.isdecimal() or int(told) < 1:
        raise UsageError(
            f"WORLD_SIZE: is {told!r} in the environment, where launchers put how many processes "
            "they start; unset it"
        )
    return int(told)


class _Sum(torch.autograd.Function):
    """The sum over the processes; what is learnt of it in each concerns the shares of all."""

    @staticmethod
    def forward(_context: Any, values: torch.Tensor) -> torch.Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, gradient: torch.Tensor) -> torch.Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total


@contextmanager
def joined_processes(device: str = "auto") -> Iterator[Processes]:
    """This process among those that a launcher started with it, or alone, on the device asked for.

    Launchers are `accelerate launch` and `torchrun`; they tell each process by WORLD_SIZE.

    Raises:
        UsageError: there is no such device, several processes cannot work there, or what the
            launcher tells is not enough for them to meet.
        MissingDependencyError: there are several, and accelerate is not installed.
        WorkerDiedError: another of them came to an end.
    """
    count = _launched()
    place = chosen_device(device)
    if count == 1:
        _refuse_a_launch_of_one()
        yield Processes(device=place)
        return
    if place not in {"cpu", "cuda"}:
        raise UsageError(
            f"device: {count} processes cannot share {place}; choose cuda, where each takes a GPU "
            "of its own, or cpu"
        )
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise MissingDependencyError(
            f"{count} processes were started together, which needs accelerate; "
            "pip install 'chunkport[distributed]'"
        ) from error
    try:
        joined = PartialState(cpu=place == "cpu", timeout=_PATIENCE)
    except (KeyError, ValueError, distributed.DistError) as error:
        reason = " ".join(str(error).split())
        raise UsageError(
            f"WORLD_SIZE: is {count} in the environment, and these processes cannot meet "
            f"({reason}); start them by accelerate launch or torchrun, or unset it to train by one"
        ) from error
    try:
        yield Processes(
            index=joined.process_index,
            count=joined.num_processes,
            first_here=joined.is_local_main_process,
            device="cpu" if place == "cpu" else str(joined.device),
        )
    except RuntimeError as error:
        if isinstance(error, distributed.DistError) or "gloo" in str(error):
            raise WorkerDiedError(
                "another process of this run came to an end; see what it said, and resume from the "
                "latest checkpoint"
            ) from error
        raise
    joined.destroy_process_group()


def _refuse_a_launch_of_one() -> None:
    """Several processes were asked for, and `accelerate launch --cpu` started one alone.

    Raises:
        UsageError: that is so.
    """
    # It then names the place to meet, but not how many would meet there.
    if os.environ.get("ACCELERATE_USE_CPU") == "True" and "MASTER_ADDR" in os.environ:
        raise UsageError(
            "accelerate launch --cpu starts one process alone, however many are asked for; give it "
            "--multi_gpu in place of --cpu, and the training --device cpu"
        )
