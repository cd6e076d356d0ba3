"""How `verify --per-layer` examines files layer by layer, and shows what it finds."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chunkport.errors import ChunkportError
from scripts._output import Column, Output
from verify.layers.percentages import percent

if TYPE_CHECKING:
    from verify.layers.diagnosis import Diagnosis, Layer
    from verify.reference import Reference
    from verify.subject import Subject
    from wrappers.spec import Arrays

_DISTANCES = ("rewrite", "conversion", "quantization", "delegate", "inherited")


def _names(values: Sequence[str] | None) -> str:
    return "not known" if values is None else ", ".join(values)


_LAYERS = (
    Column("name", "layer of the wrapper"),
    Column("network", "of the network's", _names),
    Column("files", "weights in", _names),
    Column("rewrite", "rewrite", percent, right=True),
    Column("conversion", "conversion", percent, right=True),
    Column("quantization", "quantization", percent, right=True),
    Column("delegate", "delegate", percent, right=True),
    Column("inherited", "all so far", percent, right=True),
    Column("departs", "departs"),
)


def show_layers(
    output: Output,
    checkpoint: Path,
    subjects: "Sequence[Subject]",
    references: "Mapping[Any, Reference]",
    answers: "Mapping[Any, Mapping[str, Sequence[Arrays]]]",
    threads: int,
) -> None:
    """Examine each file on its worst sample: a table, a conclusion, and in the JSON under `layers`.

    Of a file that did not run, only the weights are examined; one that cannot be examined is told
    of with its reason.

    Args:
        output: where to.
        checkpoint: what the files are of.
        subjects: the files.
        references: by model and options, the samples and the network's answers.
        answers: likewise, by file, its own; none of a file that did not run.
        threads: of the runtime.
    """
    from verify.layers.diagnose import diagnose, float_file_among, worst_sample

    for subject in subjects:
        kind = subject.model, subject.options
        reference, given = references[kind], answers[kind].get(str(subject.path))
        if given is None:
            output.note(f"{subject.path}: did not run; its weights alone are examined")
        number = 0 if given is None else worst_sample(reference.outputs, given)
        with output.progress(f"layers of {subject.path.name}") as advance:
            try:
                found = diagnose(
                    subject,
                    checkpoint,
                    reference.inputs[number],
                    number=number,
                    float_file=float_file_among(subjects, subject),
                    threads=threads,
                    run=given is not None,
                    on_step=partial(_tell, advance),
                )
            except ChunkportError as error:
                output.warn(f"{subject.path}: its layers were not examined: {error}")
                continue
        _show(output, found, checkpoint)


def _tell(advance: Callable[..., None], step: str) -> None:
    advance(1, note=step)


def _show(output: Output, found: "Diagnosis", checkpoint: Path) -> None:
    title = f"{found.path}  layer by layer, sample {found.sample}"
    stem = checkpoint.name.partition(".")[0]
    common = _common_module([layer.name for layer in found.layers if layer.tensors != ()])
    if common:
        title += f"; the wrapper's names follow {common}"
    rows = [_row(layer, stem, common, first=layer is found.first) for layer in found.layers]
    output.table(None, title, _LAYERS, rows)
    known = output.document().get("layers", [])
    output.fact("layers", [*known, found.to_json()], found.conclusion)


def _row(layer: "Layer", stem: str, common: str, *, first: bool) -> dict[str, Any]:
    files = layer.files and tuple(name.replace(f"{stem}.chunk_", "chunk_") for name in layer.files)
    departs = ", ".join(layer.departs)
    distances = {name: getattr(layer, name) for name in _DISTANCES}
    return {
        "name": layer.name.removeprefix(common),
        "network": layer.network,
        "files": files,
        "departs": f"first: {departs}" if first else departs,
        **distances,
    }


def _common_module(names: Sequence[str]) -> str:
    """The module that all lie in, with its dot; empty where there is none."""
    paths = [name.split(".")[:-1] for name in names]
    shared = itertools.takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))
    return "".join(f"{parts[0]}." for parts in shared)
