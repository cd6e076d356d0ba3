"""What integer inputs and outputs mean: their type, scale and zero point, as a file has them."""

from dataclasses import replace
from typing import Any

import numpy as np

from convert.stored_constants import scales_of
from convert.tflite import dtype_of
from wrappers.spec import Contract, TensorSpec


def contract_as_stored(contract: Contract, model: Any) -> Contract:
    """The contract with the types of a file's own inputs and outputs, which keep their names."""
    signature = model.signatureDefs[0]
    tensors = model.subgraphs[0].tensors

    def stored(spec: TensorSpec, entries: Any) -> TensorSpec:
        index = next(item.tensorIndex for item in entries if item.name.decode() == spec.name)
        dtype, found = dtype_of(tensors[index]), scales_of(tensors[index])
        if dtype is None or found is None:
            return spec
        scale, zero_point = (values.reshape(-1)[0] for values in found)
        return replace(
            spec, dtype=np.dtype(dtype).name, scale=float(scale), zero_point=int(zero_point)
        )

    return Contract(
        tuple(stored(spec, signature.inputs) for spec in contract.inputs),
        tuple(stored(spec, signature.outputs) for spec in contract.outputs),
    )
