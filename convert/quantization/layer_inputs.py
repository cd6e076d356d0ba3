"""What goes into a layer of a .tflite, computed by LiteRT itself up to there."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from chunkport.errors import ConversionError
from convert.calibration.file_inputs import input_places
from convert.tflite import write_flatbuffer

Arrays = Mapping[str, NDArray[Any]]
Values = NDArray[np.float32]

_SAME = 0  # the schema's Padding.SAME; 1 is VALID


def values_at(
    model: Any, tensor: int, samples: Sequence[Arrays], scratch: Path
) -> Iterator[Values]:
    """What a tensor of the main graph holds, for each sample; nothing after it is computed.

    The graph is cut there, so that its kernels are those of use: with every tensor kept, LiteRT
    leaves out its delegate, and computes otherwise and a hundred times slower.

    Args:
        model: the file's object tree, which is left as it is.
        tensor: index of a float tensor.
        samples: inputs by name.
        scratch: a place for the cut file.

    Raises:
        ConversionError: LiteRT refuses the file.
    """
    from ai_edge_litert.interpreter import Interpreter

    inputs = input_places(model)
    for name, index in inputs.items():
        if index == tensor:
            yield from (np.asarray(sample[name]) for sample in samples)
            return
    _write_cut(model, tensor, scratch)
    try:
        interpreter = Interpreter(model_path=str(scratch), num_threads=1)
        interpreter.allocate_tensors()
        places = {held["name"]: held["index"] for held in interpreter.get_input_details()}
        output = interpreter.get_output_details()[0]["index"]
        for sample in samples:
            for name, index in inputs.items():
                place = places[model.subgraphs[0].tensors[index].name.decode()]
                interpreter.set_tensor(place, sample[name])
            interpreter.invoke()
            yield interpreter.get_tensor(output)
    except (ValueError, RuntimeError) as error:
        raise ConversionError(f"LiteRT cannot run the model up to a layer: {error}") from error
    finally:
        scratch.unlink(missing_ok=True)


def rows_of(op: Any, kind: str, values: Values, kernel: tuple[int, ...]) -> Values:
    """What a layer multiplies by its weights: a row for each place of its output.

    Args:
        op: the FULLY_CONNECTED or CONV_2D.
        kind: which of them.
        values: what goes in; of a CONV_2D (N, H, W, C).
        kernel: shape of its weights, (out, in) or (out, kh, kw, in).
    """
    if kind == "FULLY_CONNECTED":
        return values.reshape(-1, kernel[1])
    options = op.builtinOptions
    strides = (options.strideH, options.strideW)
    dilation = (options.dilationHFactor, options.dilationWFactor)
    reach = [(kernel[1 + axis] - 1) * dilation[axis] + 1 for axis in (0, 1)]
    if options.padding == _SAME:
        margins = [(0, 0)]
        for axis in (0, 1):
            size = values.shape[1 + axis]
            needed = (-(-size // strides[axis]) - 1) * strides[axis] + reach[axis] - size
            margins.append((max(needed, 0) // 2, max(needed, 0) - max(needed, 0) // 2))
        values = np.pad(values, [*margins, (0, 0)])
    windows = sliding_window_view(values, reach, axis=(1, 2))
    taken = windows[:, :: strides[0], :: strides[1], :, :: dilation[0], :: dilation[1]]
    columns = kernel[1] * kernel[2] * kernel[3]
    return np.ascontiguousarray(taken.transpose(0, 1, 2, 4, 5, 3)).reshape(-1, columns)


def _write_cut(model: Any, tensor: int, path: Path) -> None:
    """The model with that tensor for its one output."""
    subgraph = model.subgraphs[0]
    whole = subgraph.operators, subgraph.outputs, model.signatureDefs
    until = 1 + next(at for at, op in enumerate(whole[0]) if tensor in [int(i) for i in op.outputs])
    try:
        subgraph.operators, subgraph.outputs = whole[0][:until], [tensor]
        model.signatureDefs = None
        write_flatbuffer(model, path)
    finally:
        subgraph.operators, subgraph.outputs, model.signatureDefs = whole
