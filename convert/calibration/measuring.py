"""Calibration: a float32 .tflite is run on samples, and the range of each activation is kept."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chunkport.errors import BadInputError, ConversionError, MissingDependencyError
from convert.calibration.file_inputs import input_places, input_shapes
from convert.calibration.ranges import Ranges, TensorRange, check_fit, graph_sha256, read_ranges
from convert.calibration.samples import CalibrationChoice, Samples, find_samples, noise_samples
from convert.card import read_card
from convert.tflite import dtype_of, read_flatbuffer
from wrappers.registry import find_spec
from wrappers.spec import BuildOptions, Contract

if TYPE_CHECKING:
    from wrappers.spec import Arrays

Values = NDArray[np.float32]
_KEPT = 32768  # values of a tensor, over all samples, for its percentiles
_MOST_OF_A_SAMPLE = 512
_OUTSIDE = 0.1  # percent on either side
_HALVINGS = 32


def find_ranges(float_model: Path, choice: CalibrationChoice, model: str | None = None) -> Ranges:
    """The ranges that a choice asks for: those of a file, or measured now.

    Args:
        float_model: a float32 .tflite, with a card if `model` is to draw samples.
        choice: the user's.
        model: registered name or FILE.py:NAME of its spec; None for a file of unknown origin, for
            which noise is drawn where no folder is named.

    Raises:
        UsageError: the folder holds nothing fit.
        BadInputError: a sample cannot be used, or the ranges are another file's.
        ConversionError: the interpreter refuses the float32 file.
    """
    if choice.ranges:
        ranges = read_ranges(choice.ranges)
        check_fit(ranges, float_model, choice.ranges)
        return ranges
    return measure_ranges(float_model, samples_for(float_model, choice, model))


def samples_for(float_model: Path, choice: CalibrationChoice, model: str | None = None) -> Samples:
    """The samples that a choice names for a file; of unknown origin, noise where no folder is.

    Raises:
        UsageError: the folder holds nothing fit.
    """
    file, card = read_flatbuffer(float_model), read_card(float_model)
    if model is not None and card is not None:
        spec = find_spec(model, BuildOptions.from_json(card.options))
        contract = Contract.from_json(card.contract)
        return find_samples(choice, input_shapes(file), spec, contract)
    if choice.folder is None:
        return noise_samples(choice, file)
    return find_samples(choice, input_shapes(file))


def measure_ranges(float_model: Path, samples: Samples) -> Ranges:
    """Run the file on the samples, one at a time, with every activation kept until it is read.

    ai-edge-quantizer's own calibration keeps a moving average and no percentiles.

    Raises:
        BadInputError: a sample cannot be read, or makes a value that is not finite.
        ConversionError: the interpreter refuses the file.
    """
    model = read_flatbuffer(float_model)
    activations = _activations(model)
    run = _runner(float_model, input_places(model))
    kept = max(1, min(_MOST_OF_A_SAMPLE, _KEPT // max(samples.count, 1)))
    rng = np.random.default_rng(0)
    lows: dict[str, list[float]] = {name: [] for name in activations}
    highs: dict[str, list[float]] = {name: [] for name in activations}
    pools: dict[str, list[Values]] = {name: [] for name in activations}
    for number, inputs in enumerate(samples.read()):
        read = run(inputs)
        for name, index in activations.items():
            values = read(index).reshape(-1)
            low, high = float(values.min()), float(values.max())
            if not np.isfinite((low, high)).all():
                raise BadInputError(
                    f"{float_model}: sample {number} of the calibration makes '{name}' "
                    f"{low} to {high}; leave that sample out, or mend the network"
                )
            lows[name].append(low)
            highs[name].append(high)
            pools[name].append(
                values[rng.integers(0, values.size, kept)] if values.size > kept else values
            )
    return Ranges(
        graph_sha256=graph_sha256(model),
        source=samples.source,
        folder=samples.folder,
        count=samples.count,
        seed=samples.seed,
        missed_by_half=_missed_by_half(list(lows.values()), list(highs.values())),
        tensors={
            name: _range(lows[name], highs[name], np.concatenate(pools[name]))
            for name in activations
        },
    )


def _range(lows: list[float], highs: list[float], pool: Values) -> TensorRange:
    low, high = np.percentile(pool, [_OUTSIDE, 100 - _OUTSIDE])
    rms = float(np.sqrt(np.mean(np.square(pool, dtype=np.float64))))
    return TensorRange(min(lows), max(highs), float(low), float(high), rms)


def _missed_by_half(lows: list[list[float]], highs: list[list[float]]) -> float | None:
    """By what part the ranges of a random half are narrower than those of all, on average."""
    least, most = np.array(lows), np.array(highs)  # (tensors, samples)
    count = least.shape[1]
    if count < 2:  # noqa: PLR2004 - there is no half of one
        return None
    wide = most.max(1) - least.min(1)
    least, most, wide = least[wide > 0], most[wide > 0], wide[wide > 0]
    rng = np.random.default_rng(0)
    missed = []
    for _ in range(_HALVINGS):
        half = rng.permutation(count)[: count // 2]
        missed.append(float(np.mean(1 - (most[:, half].max(1) - least[:, half].min(1)) / wide)))
    return round(float(np.mean(missed)), 4)


def _activations(model: Any) -> dict[str, int]:
    """The float tensors that depend on the inputs, by name; constants need no samples."""
    subgraph = model.subgraphs[0]
    made = {int(index) for op in subgraph.operators for index in op.outputs}
    held = sorted(made | {int(index) for index in subgraph.inputs})
    return {
        subgraph.tensors[index].name.decode(): index
        for index in held
        if dtype_of(subgraph.tensors[index]) is np.float32
    }


def _runner(
    path: Path, inputs: Mapping[str, int]
) -> "Callable[[Arrays], Callable[[int], NDArray[Any]]]":
    """A function that runs the file on a sample and gives what reads one of its tensors."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingDependencyError(
            "ai-edge-litert is not installed; pip install ai-edge-litert"
        ) from error

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # keeping all tensors takes memory, it says
            interpreter = Interpreter(
                model_path=str(path), num_threads=1, experimental_preserve_all_tensors=True
            )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ConversionError(f"{path}: the interpreter refuses it: {error}") from error

    def run(sample: "Arrays") -> Callable[[int], NDArray[Any]]:
        for name, index in inputs.items():
            interpreter.set_tensor(index, sample[name])
        interpreter.invoke()
        read: Callable[[int], NDArray[Any]] = interpreter.get_tensor
        return read

    return run
