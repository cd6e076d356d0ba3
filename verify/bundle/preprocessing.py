"""The preprocessing contract: what must be done to a picture before a model sees it."""

from typing import Any

from wrappers.detector_pictures import read_pictures
from wrappers.spec import Contract, ModelSpec

FILE = "preprocessing.json"
SCHEMA_VERSION = 1
# In [0, 1]: PyTorch has its weights in float32 and others in float64, which makes up to 4e-6; one
# step of a byte is 4e-3.
TENSOR_TOLERANCE = 1e-5


def takes_known_pictures(spec: ModelSpec) -> bool:
    """Whether the model's pictures are prepared as the public detectors' are."""
    return spec.read_pictures is read_pictures


def picture_contract(spec: ModelSpec, contract: Contract) -> dict[str, Any] | None:
    """The contract as plain JSON values, in data and in words; None for a model without pictures.

    None also for a model of one's own that reads pictures in a way of its own: nothing is known
    of it but its code.
    """
    if not takes_known_pictures(spec):
        return None
    image = contract.inputs[0]
    nhwc = image.layout == "nhwc"
    height, width = (image.shape[1], image.shape[2]) if nhwc else (image.shape[2], image.shape[3])
    return {
        "schema_version": SCHEMA_VERSION,
        "input": image.name,
        "dtype": image.dtype,
        "shape": list(image.shape),
        "layout": image.layout,
        "channels": "RGB",
        "grey": "repeated",
        "alpha": "dropped",
        "colour_profile": "ignored",
        "orientation": "as stored",
        "divide_by": 255,
        "range": [0, 1],
        "resize": {
            "width": width,
            "height": height,
            "filter": "bilinear",
            "antialias": True,
            "align_corners": False,
            "aspect": "stretched",
        },
        "tensor_tolerance": {"max_abs_difference": TENSOR_TOLERANCE},
        "words": _words(width, height, image.layout),
    }


def plain_contract(contract: Contract) -> dict[str, Any]:
    """Of a model that takes no pictures: what its inputs are, in the words of its card."""
    return {
        "schema_version": SCHEMA_VERSION,
        "inputs": contract.to_json()["inputs"],
        "words": [
            f"'{item.name}' is {item.dtype} of shape {' x '.join(map(str, item.shape))}, "
            f"{item.value_range}: {item.meaning}."
            for item in contract.inputs
        ],
    }


def _words(width: int, height: int, layout: str) -> list[str]:
    """What to do, one step after the other."""
    decode = (
        "Decode the picture to 8 bits of red, green and blue, pixels as stored: without its "
        "colour profile, its gamma or its EXIF orientation applied."
    )
    channels = (
        "Repeat grey three times. Drop transparency: take the colours as they are, blended with "
        "nothing, multiplied with nothing."
    )
    resize = (
        f"Resize to {width} x {height} pixels, stretched, by the antialiased bilinear filter: a "
        "triangle as wide as two old pixels, or two new ones where those are larger. PyTorch's "
        "interpolate(mode='bilinear', antialias=True) and Pillow's resize of floats do so; a "
        "canvas, Bitmap.createScaledBitmap and OpenCV's INTER_LINEAR do not."
    )
    order = {"nhwc": "row by row, R, G and B side by side", "nchw": "all of R, all of G, all of B"}
    laid_out = f"Lay it out as {layout.upper()}: {order[layout]}."
    return [decode, channels, "Divide by 255, in floats.", resize, laid_out]
