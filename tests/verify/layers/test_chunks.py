"""The checkpoint's files that hold each tensor of a network."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from checkpoints import save_model_chunked
from networks.gan import Generator
from verify.layers.chunks import files_of_tensors
from verify.layers.provenance import named_tensors
from wrappers.gan_generator import open_network


def quiet(_message: str) -> None:
    """Say nothing."""


def test_chunks_are_named(generator_checkpoint: Path) -> None:
    network = open_network(generator_checkpoint)
    found = files_of_tensors(generator_checkpoint, network)
    assert found.keys() == {name for name, _ in named_tensors(network)}
    assert all(file.startswith("best_model.chunk_") for files in found.values() for file in files)
    manifest = json.loads(generator_checkpoint.with_suffix(".manifest.json").read_text())
    (entry,) = [
        item
        for item in manifest["tensors"]
        if item["path"] == "generator_state_dict/deconv4.weight"
    ]
    numbers = {piece["chunk_id"] for piece in entry["pieces"]}
    assert found["deconv4.weight"] == tuple(f"best_model.chunk_{n:03d}.pth" for n in numbers)


def test_a_tensor_in_pieces_lies_in_several_files(
    make_generator: Callable[..., Generator], tmp_path: Path
) -> None:
    network = make_generator(seed=0, width=8)
    path = save_model_chunked(
        network.state_dict(), tmp_path / "m.pth", max_chunk_mb=0.5, announce=quiet
    ).path
    assert len(files_of_tensors(path, network)["fc.weight"]) > 1


def test_of_several_of_one_name_the_one_with_its_values_counts(
    make_generator: Callable[..., Generator], tmp_path: Path
) -> None:
    network, average = make_generator(seed=0, width=2), make_generator(seed=1, width=2)
    parts: dict[str, Any] = {"average": average.state_dict(), "generator": network.state_dict()}
    path = save_model_chunked(parts, tmp_path / "m.pth", max_chunk_mb=0.5, announce=quiet).path
    right = files_of_tensors(path, network)
    other = files_of_tensors(path, average)
    assert right["deconv1.weight"] != other["deconv1.weight"]


def test_a_plain_file_is_named_itself(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 3)
    torch.save({"model": network.state_dict()}, tmp_path / "m.pth")
    assert files_of_tensors(tmp_path / "m.pth", network) == {
        "weight": ("m.pth",),
        "bias": ("m.pth",),
    }


def test_names_of_distributed_training_are_found_and_made_ones_left_out(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 3)
    torch.save({"module.weight": network.weight.detach()}, tmp_path / "m.pth")
    assert files_of_tensors(tmp_path / "m.pth", network) == {"weight": ("m.pth",)}
