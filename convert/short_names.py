"""Shorter names for the tensors of a .tflite, which say no less of where each stands.

litert-torch writes a module's whole Python path for every level of it, and for a fused op all that
of each part: a tenth of a small file in 4 bits.
"""

import re
from collections import Counter
from typing import Any

# "torch.nn.modules.linear.Linear_fc": the dot stays, so that it is still known for a module.
_PACKAGE = re.compile(r"(?<![\w.])(?!arith\.)\w+(?:\.\w+)*(?=\.[A-Za-z]\w*)")
_PARTS = ";;"  # between the names of what was fused
_NUMBER = ";"  # before the number that tells tensors of one module apart


def shorten_names(model: Any) -> None:
    """Leave out packages, and of what was fused all but the first; no two tensors become alike.

    Names of inputs and outputs stay: they hold no module.
    """
    for subgraph in model.subgraphs:
        old = [tensor.name.decode(errors="surrogateescape") for tensor in subgraph.tensors]
        kept = {name for name in old if _shortened(name) == name}
        taken: Counter[str] = Counter()
        for tensor, name in zip(subgraph.tensors, old, strict=True):
            if name in kept:
                continue
            stem = _shortened(name)
            short = stem
            while short in kept:
                taken[stem] += 1
                short = f"{stem.rstrip(_NUMBER)}{_NUMBER}{taken[stem]}"
            kept.add(short)
            tensor.name = short.encode(errors="surrogateescape")


def _shortened(name: str) -> str:
    first, joint, _ = name.partition(_PARTS)
    return _PACKAGE.sub("", first) + (_NUMBER if joint else "")
