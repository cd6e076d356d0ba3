"""What the names of a .tflite's tensors tell of the modules that they came from."""

import re

# litert-torch names a tensor by the modules that it came from, from the outermost in:
# "pkg.Outer/pkg.Inner_attribute/torch.nn.modules.conv.Conv2d_0;1", of which a file may keep
# ".Outer/.Inner_attribute/.Conv2d_0;1". Fused ops have several such names, joined by ";;". The
# outermost has no attribute; the number after ";" tells tensors of one module apart.
# "arith.constant" is the compiler's own.
_MODULE = re.compile(r"(?!arith\.)(?:\w*\.)+_*[^\W_]+(?:_(?P<attribute>\w+))?")


def module_path(tensor_name: str) -> tuple[str, ...] | None:
    """The attributes that lead to a tensor's module; None where its name tells of none."""
    path = []
    for position, segment in enumerate(tensor_name.split(";", maxsplit=1)[0].split("/")):
        found = _MODULE.fullmatch(segment)
        if found is None or (found["attribute"] is None and position):
            return None
        if found["attribute"] is not None:
            path.append(found["attribute"])
    return tuple(path)
