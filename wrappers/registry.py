"""Finds a ModelSpec: a built-in one, one that a package registers, or one in a user's file."""

import importlib
import importlib.util
import sys
from importlib.metadata import entry_points
from pathlib import Path

from chunkport.choices import did_you_mean
from chunkport.errors import UsageError
from wrappers.spec import BuildOptions, ModelSpec

ENTRY_POINT_GROUP = "chunkport.models"

# Name to the place of its spec, imported only when asked for: a spec may import torch.
_BUILT_IN = {
    "gan-generator": "wrappers.gan_generator:SPEC",
    "chunkyseal": "wrappers.detector_specs:CHUNKYSEAL",
    "pixelseal": "wrappers.detector_specs:PIXELSEAL",
    "tinyseal": "wrappers.detector_specs:TINYSEAL",
    "videoseal-0.0": "wrappers.detector_specs:VIDEOSEAL_0_0",
    "videoseal-1.0": "wrappers.detector_specs:VIDEOSEAL_1_0",
}
_ALIASES = {"videoseal": "videoseal-1.0"}


def model_names() -> list[str]:
    """The names that `--model` takes."""
    return sorted({*_BUILT_IN, *(entry.name for entry in entry_points(group=ENTRY_POINT_GROUP))})


def find_spec(name: str, options: BuildOptions | None = None) -> ModelSpec:
    """The spec of a registered model, or of `FILE.py:NAME`, built with the options.

    Raises:
        UsageError: there is no such model, file or name in it, or it cannot be built so.
    """
    spec = _find(_ALIASES.get(name, name))
    return spec if options is None else spec.configured(options)


def _find(name: str) -> ModelSpec:
    if ".py:" in name:
        return _spec_from_file(name)
    for entry in entry_points(group=ENTRY_POINT_GROUP, name=name):
        return _checked(entry.load(), name)
    if name not in _BUILT_IN:
        meant = did_you_mean(name, model_names())
        raise UsageError(f"unknown model '{name}'.{meant} Models: {', '.join(model_names())}")
    module, attribute = _BUILT_IN[name].split(":")
    return _checked(getattr(importlib.import_module(module), attribute), name)


def _spec_from_file(place: str) -> ModelSpec:
    path_text, _, attribute = place.rpartition(":")
    path = Path(path_text)
    if not path.is_file():
        raise UsageError(f"--spec {place}: there is no file {path}")
    loader_spec = importlib.util.spec_from_file_location(f"_chunkport_spec_{path.stem}", path)
    if loader_spec is None or loader_spec.loader is None:
        raise UsageError(f"--spec {place}: {path} is not a Python file")
    module = importlib.util.module_from_spec(loader_spec)
    sys.modules[module.__name__] = module  # where dataclasses in it look for their module
    try:
        loader_spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's own code raises
        told = f"{type(error).__name__}: {error}"
        raise UsageError(f"--spec {place}: {path} cannot be imported: {told}") from error
    if not hasattr(module, attribute):
        raise UsageError(f"--spec {place}: {path} defines no '{attribute}'")
    return _checked(getattr(module, attribute), place)


def _checked(value: object, place: str) -> ModelSpec:
    if not isinstance(value, ModelSpec):
        raise UsageError(f"{place}: expected a wrappers.spec.ModelSpec, found {type(value)}")
    return value
