"""What a .tflite is compared with: the network on the original weights, run on samples."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from chunkport.files import sha256_of
from convert.card import Card, identify_checkpoint
from verify.distribution import Workers
from verify.inputs import Inputs
from verify.runs_in_parts import NetworkRun, run_in_parts
from verify.trials import (
    Drawn,
    PreparedTrial,
    TrialChoices,
    TrialSetting,
    prepare_trials,
    trials_without_network,
)
from wrappers.registry import find_spec
from wrappers.spec import BuildOptions, Contract, ModelSpec

if TYPE_CHECKING:
    from torch import nn

    from wrappers.spec import Arrays

NO_CHECKPOINT = "there is no checkpoint to compare with"


@dataclass(frozen=True)
class Reference:
    """The network's answers, computed once and compared with every file.

    Attributes:
        spec: the model.
        contract: its inputs and outputs.
        checkpoint_sha256: of the network's weights; None where they are not at hand.
        inputs: seeded samples, then the user's pictures, read as they are asked for.
        outputs: the network's answers; none without its weights, and nothing is compared.
        seed: of the seeded samples.
        pictures: the files that the last inputs come from.
        trials: the model's trials, the network's side done; none where none were asked for.
        asked_sha256: of what was asked: the samples, the pictures and the trials' choices; None
            without a network.
        build_wrapper: makes the module whose weights the file must hold; None without a network.
    """

    spec: ModelSpec
    contract: Contract
    checkpoint_sha256: str | None
    inputs: "Sequence[Arrays]"
    outputs: "list[Arrays]"
    seed: int
    pictures: tuple[Path, ...] = ()
    trials: tuple[PreparedTrial, ...] = ()
    asked_sha256: str | None = None
    build_wrapper: "Callable[[], nn.Module] | None" = None

    def name_of(self, place: int) -> str:
        """What to call an input by its place."""
        first = len(self.inputs) - len(self.pictures)
        return f"sample {place}" if place < first else self.pictures[place - first].name

    def judged_by(self, drawn: Drawn) -> "Reference":
        """The same with what a trial had drawn in place of the samples and pictures."""
        return replace(self, inputs=drawn.inputs, outputs=drawn.expected, pictures=())


def compute_reference(
    model: str,
    checkpoint: Path,
    samples: int,
    seed: int,
    on_sample: Callable[..., None] = lambda _count=1: None,
    *,
    options: BuildOptions | None = None,
    pictures: Sequence[Path] = (),
    trials: TrialChoices | None = None,
    on_note: Callable[[str], None] = lambda _note: None,
    on_drawn: Callable[[Drawn], None] = lambda _drawn: None,
    workers: Workers | None = None,
) -> Reference:
    """Run the network, never the wrapper, on `samples` seeded inputs and on the pictures.

    With `trials` the model's trials are prepared too; None leaves them out, as for a benchmark.
    `on_note` and `on_drawn` hear of them, as a `TrialSetting` says. With `workers` these run it;
    trials are prepared here. `on_sample` is told of how many inputs were done, of one by default.

    Raises:
        UsageError: an unknown model, or one that takes no pictures.
        BadInputError: the checkpoint is damaged or of another model, or a picture is none.
        WorkerDiedError: two workers died of the same part.
    """
    spec = find_spec(model, options)
    network = spec.open_network(checkpoint)
    contract = spec.contract(network)
    inputs = Inputs(spec, contract, spec.make_samples(contract, samples, seed), pictures)
    if workers is None:
        outputs = []
        for item in inputs:
            outputs.append(spec.reference(network, item))
            on_sample()
    else:
        run = NetworkRun(model, options, contract, checkpoint)
        outputs = run_in_parts(run, inputs, workers, on_sample)
    digest = identify_checkpoint(checkpoint)["sha256"]
    prepared: tuple[PreparedTrial, ...] = ()
    if trials is not None:
        setting = TrialSetting(
            *(spec, contract, network, checkpoint, seed, tuple(pictures), trials, on_note, on_drawn)
        )
        prepared = prepare_trials(setting)
    return Reference(
        *(spec, contract, digest, inputs, outputs, seed, tuple(pictures), prepared),
        asked_sha256=_asked(samples, seed, pictures, trials),
        build_wrapper=partial(_mended_wrapper, spec, checkpoint),
    )


def _asked(samples: int, seed: int, pictures: Sequence[Path], choices: TrialChoices | None) -> str:
    """The SHA-256 of what decides every input: equal where values may be compared."""
    choices = choices or TrialChoices()
    asked = {
        "samples": samples,
        "seed": seed,
        "pictures": [sha256_of(path) for path in pictures],
        "attacks": sorted(choices.attacks),
        "marked": [sha256_of(path) for path in choices.marked],
        "message": choices.message,
    }
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()


def _mended_wrapper(spec: ModelSpec, checkpoint: Path) -> "nn.Module":
    """The module as it is converted, from the checkpoint anew."""
    from convert.lint import mend_modules, mend_tensors

    wrapper = spec.build_wrapper(spec.open_network(checkpoint)).eval().requires_grad_(False)  # noqa: FBT003 - torch's signature
    mend_modules(wrapper)
    mend_tensors(wrapper)
    return wrapper


def reference_without_network(
    model: str, card: Card, samples: int, seed: int, pictures: Sequence[Path] = ()
) -> Reference:
    """What can be asked of a file whose network is not at hand: its card tells what goes in.

    Raises:
        UsageError: an unknown model, or one that takes no pictures.
        BadInputError: a picture is none.
    """
    spec = find_spec(model, BuildOptions.from_json(card.options))
    contract = Contract.from_json(card.contract)
    inputs = Inputs(spec, contract, spec.make_samples(contract, samples, seed), pictures)
    prepared = trials_without_network(spec, NO_CHECKPOINT)
    return Reference(spec, contract, None, inputs, [], seed, tuple(pictures), prepared)
