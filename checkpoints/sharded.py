"""Tensors in several .safetensors files of another tool, found through their index."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from checkpoints.safetensors_file import read_safetensors
from chunkport.errors import BadInputError

_SHOWN = 8


def read_sharded(
    index: Path, weight_map: Mapping[str, str], files: Mapping[str, Path]
) -> dict[str, Any]:
    """Each tensor by its name, in the order of the index, and the texts of all files.

    A tensor that the index does not place where it is, is refused like one that is missing: it
    comes of the files of one save under the index of another, and then the tensors that both have
    are as likely to be the wrong ones.

    Args:
        index: for messages.
        weight_map: the name of the file of each tensor.
        files: where the file of each name is.

    Raises:
        BadInputError: a file is damaged, or they do not hold what the index says.
    """
    held = {name: read_safetensors(file) for name, file in sorted(files.items())}
    absent = [f"{n!r} in {file}" for n, file in weight_map.items() if n not in held[file].tensors]
    extra = [
        f"{name!r} in {file}"
        for file, content in held.items()
        for name in content.tensors
        if weight_map.get(name) != file
    ]
    if absent or extra:
        raise BadInputError(
            f"{index}: is not of the files beside it; it places what is not there: "
            f"{_listed(absent)}; it does not place what is: {_listed(extra)}; copy the index and "
            "all its files again, from one save"
        )
    if any(content.save_id is not None for content in held.values()):
        raise BadInputError(
            f"{index}: its files are chunks of a checkpoint whose manifest is missing; copy the "
            "manifest beside them"
        )
    parts = [f"{n!r}" for content in held.values() for n, at in content.starts.items() if any(at)]
    if parts:
        raise BadInputError(
            f"{index}: its files hold parts of tensors ({_listed(parts)}); join them with "
            "torch.distributed.checkpoint, which wrote them"
        )
    contents = {
        name: value for content in held.values() for name, value in content.contents.items()
    }
    return {**{name: contents.pop(name) for name in weight_map}, **contents}


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - _SHOWN} more" if len(ordered) > _SHOWN else ""
    return (", ".join(ordered[:_SHOWN]) + more) or "none"
