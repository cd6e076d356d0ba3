"""The whole examination of one .tflite: against the float32 file, the wrapper and the network.

It costs: the network twice and its wrapper in memory; the file once more, in a temporary folder;
all that its layers give for one sample, in memory. PyTorch runs twice for each way of running a
file: without XNNPACK and with it, and for another precision than float32 the float32 file as well.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from chunkport.errors import UsageError
from convert.float_model import is_large
from convert.lint import mend_modules, mend_tensors
from convert.pipeline import convert_checkpoint
from convert.stored.weight_origins import NEAREST, rounding_of
from verify.layers.chunks import files_of_tensors
from verify.layers.comparison import side_by_side
from verify.layers.conclusion import conclude
from verify.layers.diagnosis import Diagnosis
from verify.layers.examination import Bench, examine_file
from verify.layers.judgement import Origins, find_bounds, judge_layers
from verify.layers.provenance import named_tensors, provenance
from verify.layers.rewriting import compare_with_network
from verify.layers.wrapper_run import weighted_calls
from wrappers.registry import find_spec
from wrappers.spec import ModelSpec

if TYPE_CHECKING:
    from verify.subject import Subject
    from wrappers.spec import Arrays

FLOAT32 = "fp32"


def diagnose(
    subject: "Subject",
    checkpoint: Path,
    sample: "Arrays",
    *,
    number: int = 0,
    float_file: Path | None = None,
    threads: int = 1,
    run: bool = True,
    on_step: Callable[[str], None] = lambda _step: None,
) -> Diagnosis:
    """Find the layer in which a file departs, and by which step.

    Args:
        subject: the file and what it is.
        checkpoint: what it is of.
        sample: one input.
        number: of this sample, to be told.
        float_file: the float32 file of the same model; made anew where it is needed and not given.
        threads: of the runtime.
        run: whether to run the file; a damaged one can take the process down with it.
        on_step: told what is about to be done.

    Raises:
        UsageError: the file was converted without the wrapper, whose layers are compared.
        BadInputError: file or checkpoint is damaged, the file is of another wrapper, or the
            runtime refuses it.
        ConversionError: the float32 file could not be made.
    """
    if subject.card is not None and subject.card.variant != "rewritten":
        raise UsageError(
            f"{subject.path}: was converted without the wrapper, whose layers are compared; "
            "examine one that was converted without --plain"
        )
    on_step("the network and its wrapper")
    spec = find_spec(subject.model, subject.options)
    network = spec.open_network(checkpoint)
    build = partial(_as_converted, spec)
    made_of = provenance(build, network)
    # From a network of its own: what is mended may be the network's own module.
    wrapper = build(spec.open_network(checkpoint))
    mend_tensors(wrapper)
    order = [name for name, _ in named_tensors(network)]
    origins = Origins(made_of, order, files_of_tensors(checkpoint, network))
    rewriting = compare_with_network(spec, network, wrapper, made_of, sample)
    calls = weighted_calls(wrapper, sample)
    with tempfile.TemporaryDirectory(prefix="chunkport-layers-") as folder:
        bench = Bench(wrapper, calls, sample, Path(folder), threads, on_step)
        rounding = NEAREST if subject.card is None else rounding_of(subject.card)
        exact = own = examine_file(subject.path, bench, rounding, delegate=True, run=run)
        if subject.precision != FLOAT32:
            below = float_file
            if below is None:
                on_step("converting to float32")
                made = convert_checkpoint(
                    checkpoint, subject.model, [FLOAT32], Path(folder), options=subject.options
                )
                below = made.files[0].path
            exact = examine_file(below, bench)
    layers = side_by_side(calls, own, exact)
    bounds = find_bounds(subject.precision, layers)
    found = Diagnosis(
        path=subject.path,
        precision=subject.precision,
        sample=number,
        float_file=None if exact is own or float_file is None else str(float_file),
        float_made_anew=exact is not own and float_file is None,
        ran=run,
        layers=tuple(judge_layers(layers, bounds, origins, rewriting, joined=is_large(wrapper))),
        rewriting=rewriting,
        bounds=bounds,
    )
    return replace(found, conclusion=conclude(found))


def _as_converted(spec: ModelSpec, network: nn.Module) -> nn.Module:
    """The wrapper with the modules that conversion gives it."""
    wrapper = spec.build_wrapper(network).eval()
    mend_modules(wrapper)
    return wrapper


def worst_sample(expected: "Sequence[Arrays]", actual: "Sequence[Arrays]") -> int:
    """The sample whose outputs are furthest from the network's, as a part of these."""

    def distance(one: "Arrays", other: "Arrays") -> float:
        away = sum(float(np.linalg.norm(other[name] - one[name])) for name in one)
        norm = sum(float(np.linalg.norm(one[name])) for name in one)
        return away / max(norm, 1e-30) if np.isfinite(away) else float("inf")

    distances = [distance(*pair) for pair in zip(expected, actual, strict=True)]
    return distances.index(max(distances))


def float_file_among(subjects: "Sequence[Subject]", subject: "Subject") -> Path | None:
    """The float32 file of these that is of the same checkpoint as another, built the same way."""
    if subject.card is None:
        return None
    for other in subjects:
        if (
            other.card is not None
            and other.precision == "fp32"
            and other.damage is None
            and (other.model, other.options) == (subject.model, subject.options)
            and other.card.variant == subject.card.variant
            and other.card.checkpoint["sha256"] == subject.card.checkpoint["sha256"]
        ):
            return other.path
    return None
