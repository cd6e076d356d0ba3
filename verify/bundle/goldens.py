"""Golden inputs and the outputs that are expected of them, as files that any language reads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from chunkport.errors import UsageError
from chunkport.files import sha256_of
from chunkport.json_values import without_infinities
from verify.bundle.pictures import GoldenPicture
from verify.bundle.preprocessing import takes_known_pictures
from verify.bundle.run_goldens import METRICS, OVER_ALL, Row, joined
from verify.limits import limits_for
from verify.marked_pictures import write_message
from verify.metrics import METRICS as DESCRIBED
from verify.reference import Reference
from verify.subject import Subject
from wrappers.spec import ModelSpec, TensorSpec

if TYPE_CHECKING:
    from wrappers.spec import Arrays

_TINY = float(np.finfo(np.float64).tiny)
FOLDER = "goldens"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Golden:
    """One input and what is expected of it; files by tensor name, below the bundle.

    Attributes:
        name: of its files.
        title: what a person calls it.
        inputs: files of float32.
        outputs: files of float32.
        picture: the PNG that the input comes from.
        message: what a detector reads in it.
        hidden: the message that was hidden in it, in hexadecimal.
        preview: a PNG of the expected picture.
    """

    name: str
    title: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    picture: str | None = None
    message: Mapping[str, Any] | None = None
    hidden: str | None = None
    preview: str | None = None


def portable_limits(spec: ModelSpec, precision: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The limits that are held for few inputs as for many, and the names of the others.

    Raises:
        UsageError: the model has none that can be.
    """
    limits = limits_for(spec, precision).values()
    held = [limit for limit in limits if limit.metric in METRICS]
    if not held:
        raise UsageError(
            f"model '{spec.name}' has no limit for {precision} that can be held for few inputs; "
            f"give its spec one of {', '.join(METRICS)}"
        )
    rows = [
        {
            "metric": limit.metric,
            "bound": limit.bound,
            "sense": limit.sense,
            "over": "all goldens" if limit.metric in OVER_ALL else "each golden",
            "meaning": DESCRIBED[limit.metric].figure.explanation,
        }
        for limit in held
    ]
    return rows, [limit.metric for limit in limits if limit.metric not in METRICS]


def scales_of(reference: Reference, outputs: "Sequence[Arrays]") -> dict[str, float]:
    """What differences are measured in, from all expected outputs together; never 0."""
    names = [item.name for item in reference.contract.outputs]
    values = np.stack([joined(item, names) for item in outputs])
    lowest, highest = reference.spec.output_span
    return {
        "span": highest - lowest,
        "largest": max(float(np.abs(values).max()), _TINY),
        "norm": max(float(np.sqrt(np.square(values).sum(axis=1).mean())), _TINY),
        "bits_rms": max(float(np.sqrt(np.square(values[:, 1:]).mean())), _TINY),
    }


def write_pictures(folder: Path, pictures: Sequence[GoldenPicture]) -> list[Path]:
    """Each picture as a PNG in `folder`."""
    paths = []
    for picture in pictures:
        paths.append(folder / f"{picture.name}.png")
        picture.image.save(paths[-1], optimize=True)
    return paths


def write_goldens(
    folder: Path,
    reference: Reference,
    outputs: "Sequence[Arrays]",
    pictures: Sequence[GoldenPicture],
) -> list[Golden]:
    """Write the tensors, and pictures of those outputs that are some."""
    made = len(reference.inputs) - len(pictures)
    goldens = []
    for number, (inputs, expected) in enumerate(zip(reference.inputs, outputs, strict=True)):
        picture = pictures[number - made] if number >= made else None
        name = picture.name if picture else f"sample_{number + 1}"
        read = reference.spec.read_message
        goldens.append(
            Golden(
                name=name,
                title=picture.title if picture else f"sample {number + 1}, drawn from the seed",
                inputs=dict(_write_tensors(folder, name, inputs)),
                outputs=dict(_write_tensors(folder, name, expected)),
                picture=f"{FOLDER}/{name}.png" if picture else None,
                message=_message(read(expected)) if read else None,
                hidden=write_message(picture.hidden) if picture and picture.hidden else None,
                preview=_write_preview(folder, name, reference, expected),
            )
        )
    return goldens


def index(
    subject: Subject,
    reference: Reference,
    outputs: "Sequence[Arrays]",
    file: Path,
    goldens: Sequence[Golden],
) -> dict[str, Any]:
    """All that `goldens/index.json` says."""
    limits, left = portable_limits(reference.spec, subject.precision)
    by_network = reference.checkpoint_sha256 is not None
    values = {
        "schema_version": SCHEMA_VERSION,
        "model": {
            "file": file.name,
            "name": reference.spec.name,
            "summary": reference.spec.summary,
            "precision": subject.precision,
            "sha256": sha256_of(file),
            "size_bytes": file.stat().st_size,
        },
        "expected": {
            "by": "pytorch" if by_network else "litert",
            "checkpoint_sha256": reference.checkpoint_sha256,
            "words": "the outputs of the PyTorch network on the original weights"
            if by_network
            else "the outputs of this very file in LiteRT on the machine that made the bundle; "
            "they say that a device computes the same, not that the conversion was right",
        },
        "inputs": [_described(item) for item in reference.contract.inputs],
        "outputs": [_described(item) for item in reference.contract.outputs],
        "scales": scales_of(reference, outputs),
        "limits": limits,
        "limits_from": f"those of {reference.spec.name} in {subject.precision}",
        "left_to_verify": left,
        "job": job_of(reference),
        "goldens": [vars(golden) for golden in goldens],
    }
    found: dict[str, Any] = without_infinities(values)
    return found


def job_of(reference: Reference) -> dict[str, Any] | None:
    """What the page can do with the model: draw pictures, read messages, or None."""
    inputs, outputs = reference.contract.inputs, reference.contract.outputs
    if reference.spec.read_message is not None and takes_known_pictures(reference.spec):
        nbits = sum(item.shape[-1] for item in outputs) - 1
        return {"does": "read-messages", "nbits": nbits}
    if len(inputs) == 1 and inputs[0].layout == "features" and _is_picture(outputs[0]):
        low, high = reference.spec.output_span
        if np.isfinite((low, high)).all():
            return {"does": "draw-pictures", "lowest": low, "highest": high}
    return None


def with_measured(document: dict[str, Any], rows: Sequence[Row]) -> dict[str, Any]:
    """The index with what LiteRT measured in Python beside each golden."""
    measured: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.value is not None:
            measured.setdefault(row.golden, {})[row.check] = row.value
    goldens = [
        {**golden, "measured": measured.get(golden["name"], {})} for golden in document["goldens"]
    ]
    found: dict[str, Any] = without_infinities({**document, "goldens": goldens})
    return found


def _write_tensors(folder: Path, name: str, values: "Arrays") -> Iterator[tuple[str, str]]:
    for tensor, array in values.items():
        file = f"{name}.{tensor}.f32"
        np.ascontiguousarray(array, dtype="<f4").tofile(folder / file)
        yield tensor, f"{FOLDER}/{file}"


def _write_preview(folder: Path, name: str, reference: Reference, outputs: "Arrays") -> str | None:
    job = job_of(reference)
    if job is None or job["does"] != "draw-pictures":
        return None
    low, high = job["lowest"], job["highest"]
    values = outputs[reference.contract.outputs[0].name][0]
    pixels = ((values - low) / (high - low) * 255).round().clip(0, 255).astype(np.uint8)
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(
        folder / f"{name}.png", optimize=True
    )
    return f"{FOLDER}/{name}.png"


def _is_picture(item: TensorSpec) -> bool:
    return item.layout == "nhwc" and item.shape[-1] in {1, 3}


def _described(item: TensorSpec) -> dict[str, Any]:
    return {**vars(item), "shape": list(item.shape)}


def _message(message: Any) -> dict[str, Any]:
    return {
        "hex": message.hex,
        "bits": "".join(map(str, message.bits)),
        "confidence": message.confidence,
    }
