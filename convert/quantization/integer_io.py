"""What integer inputs and outputs mean: their type, scale and zero point, as a file has them."""

from dataclasses import replace
from typing import Any

import numpy as np

from convert.stored.scales import scales_of
from convert.tflite import dtype_of
from wrappers.spec import Contract, TensorSpec


def contract_as_stored(contract: Contract, model: Any) -> Contract:
    """The contract with the types of a file's own inputs and outputs, which keep their names."""
    signature = model.signatureDefs[0]
    subgraph = model.subgraphs[0]

    def stored(spec: TensorSpec, entries: Any) -> TensorSpec:
        index = next(item.tensorIndex for item in entries if item.name.decode() == spec.name)
        tensor = subgraph.tensors[index]
        dtype, found = dtype_of(tensor), scales_of(model, subgraph, tensor)
        if dtype is None or found is None:
            return spec
        return replace(
            spec,
            dtype=np.dtype(dtype).name,
            scale=float(found.scale[0]),
            zero_point=int(found.zero_point[0]),
        )

    return Contract(
        tuple(stored(spec, signature.inputs) for spec in contract.inputs),
        tuple(stored(spec, signature.outputs) for spec in contract.outputs),
    )
