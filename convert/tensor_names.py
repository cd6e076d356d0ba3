"""Names of tensors, as litert-torch gives them, made short: they are a tenth of a small file.

A name is a path of modules, "pkg.Outer/pkg.Inner_attribute/torch.nn.modules.conv.Conv2d_0;1", from
the outermost in; a fused op has several, joined by ";;". What a reader needs of it is
"Outer/Inner_attribute/Conv2d_0;1": that is what `module_path` follows and what rules match.
"""

import re
from collections import Counter
from typing import Any

_AFTER_MODULES = ";"
# A module: where its class comes from, the class, and the attribute that holds it; the outermost
# has none. "arith.constant" is the compiler's own, and without a capital it is of another tool.
_MODULE = re.compile(
    r"(?!arith\.)(?P<package>(?:\w+\.)*)(?P<kind>_*[^\W_]+)(?:_(?P<attribute>\w+))?"
)


def shorten_names(model: Any) -> None:
    """Leave out packages, repetitions, and all but the first module of a fused op.

    Names stay unique within a subgraph; those of inputs and outputs, and those that no module
    gave, stay as they are.
    """
    for subgraph in model.subgraphs:
        names = [tensor.name.decode(errors="replace") for tensor in subgraph.tensors]
        shorter = {index: short for index, name in enumerate(names) if (short := short_name(name))}
        for index in (*subgraph.inputs, *subgraph.outputs):
            shorter.pop(index, None)
        taken = {name for index, name in enumerate(names) if index not in shorter}
        repeats: Counter[str] = Counter()
        for index, short in shorter.items():
            name = short
            while name in taken:
                repeats[short] += 1
                name = f"{short}{_AFTER_MODULES}{repeats[short]}"
            taken.add(name)
            subgraph.tensors[index].name = name.encode()


def short_name(name: str) -> str | None:
    """The first module of a name without its packages; None for a name that no module gave."""
    if module_path(name) is None:
        return None
    path = name.split(_AFTER_MODULES, maxsplit=1)[0].split("/")
    return "/".join(_without_package(segment) for segment in path)


def module_path(name: str) -> tuple[str, ...] | None:
    """The attributes that lead to a tensor's module; None where its name tells of none."""
    path = []
    for position, segment in enumerate(name.split(_AFTER_MODULES, maxsplit=1)[0].split("/")):
        found = _MODULE.fullmatch(segment)
        if found is None or (found["attribute"] is None and position):
            return None
        if not found["package"] and not _is_class(found["kind"]):
            return None
        if found["attribute"] is not None:
            path.append(found["attribute"])
    return tuple(path)


def _without_package(segment: str) -> str:
    """Just the class and the attribute, unless nothing but the package tells that it is one."""
    found = _MODULE.fullmatch(segment)
    assert found is not None
    return segment[found.end("package") :] if _is_class(found["kind"]) else segment


def _is_class(kind: str) -> bool:
    return kind.lstrip("_")[:1].isupper()
