"""The analyzer that comes with the runtime, asked about the GPU, and first whether it can tell.

It is private to ai-edge-litert, and that of 2.3.0 finds every file compatible, also one that its
own delegate refuses. So it is asked about such a file first, and believed only if it objects.
"""

import re
import tempfile
from importlib.metadata import version
from pathlib import Path

from convert.tflite import write_flatbuffer
from verify.risks.findings import Finding, Part

NAME = "the analyzer of ai-edge-litert"
_WARNING = re.compile(r"^GPU COMPATIBILITY WARNING: (?!Subgraph#)(.+)$", re.MULTILINE)
_VERDICT = "GPU delegate"


def ask_analyzer(path: Path) -> tuple[Part, list[Finding]]:
    """What the analyzer objects to; a part that did not run where it cannot tell."""
    try:
        from ai_edge_litert._pywrap_analyzer_wrapper import ModelAnalyzer
    except ImportError as error:
        return Part(NAME, ran=False, note=f"this runtime has none ({error})"), []
    installed = f"ai-edge-litert {version('ai-edge-litert')}"
    with tempfile.TemporaryDirectory() as folder:
        refused = Path(folder) / "refused.tflite"
        _write_refused(refused)
        try:
            planted, said = (str(ModelAnalyzer(str(file), True, True)) for file in (refused, path))  # noqa: FBT003 - takes no names
        except (RuntimeError, TypeError, ValueError) as error:
            return Part(NAME, ran=False, note=f"that of {installed} failed: {error}"), []
    if not _WARNING.search(planted):
        note = f"that of {installed} finds nothing wrong even with GATHER_ND, so it is not asked"
        return Part(NAME, ran=False, note=note), []
    objections = sorted(set(_WARNING.findall(said)))
    if not objections and _VERDICT not in said:
        return Part(NAME, ran=False, note=f"that of {installed} gave no verdict"), []
    findings = [
        Finding("analyzer", "blocks", "", "", None, f"the analyzer objects: {text.strip()}")
        for text in objections
    ]
    return Part(NAME, ran=True, note=f"{installed}: {len(objections)} objections"), findings


def _write_refused(path: Path) -> None:
    """A file of one op that no GPU delegate takes: GATHER_ND."""
    from ai_edge_litert import schema_py_generated as schema

    model, subgraph, code = schema.ModelT(), schema.SubGraphT(), schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.GATHER_ND
    code.version = 1
    subgraph.tensors = []
    for name, shape, kind in ((b"x", [4, 4], 0), (b"place", [1, 2], 2), (b"y", [1], 0)):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, shape, kind, 0
        subgraph.tensors.append(tensor)
    op = schema.OperatorT()
    op.opcodeIndex, op.inputs, op.outputs = 0, [0, 1], [2]
    op.builtinOptionsType = schema.BuiltinOptions.GatherNdOptions
    op.builtinOptions = schema.GatherNdOptionsT()
    subgraph.inputs, subgraph.outputs, subgraph.operators = [0, 1], [2], [op]
    model.version, model.buffers = 3, [schema.BufferT()]
    model.operatorCodes, model.subgraphs = [code], [subgraph]
    write_flatbuffer(model, path)
