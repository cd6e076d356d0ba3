"""Inputs: in order whatever is read when, and no more pictures in memory than fit."""

import itertools
from pathlib import Path
from weakref import ref

import numpy as np
import pytest
from PIL import Image

import verify.inputs
from chunkport.errors import BadInputError, UsageError
from networks.cards import load_card
from networks.detector import build_detector
from verify.inputs import Inputs
from verify.runs_in_parts import parts_of
from wrappers.registry import find_spec
from wrappers.spec import Contract, ModelSpec


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return find_spec("tinyseal")


@pytest.fixture(scope="module")
def contract(spec: ModelSpec) -> Contract:
    return spec.contract(build_detector(load_card("tinyseal")))


def pictures(folder: Path, count: int) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [folder / f"{number:03}.png" for number in range(count)]
    for path in paths:
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(path)
    return paths


def test_samples_come_first_then_pictures_by_number_slice_and_turn(
    spec: ModelSpec, contract: Contract, tmp_path: Path
) -> None:
    samples, paths = spec.make_samples(contract, 2, 0), pictures(tmp_path, 3)
    assert spec.read_pictures is not None
    expected = [*samples, *spec.read_pictures(contract, paths)]
    inputs = Inputs(spec, contract, samples, paths)
    assert len(inputs) == 5
    for way in (list(inputs), inputs[:], [inputs[number] for number in range(5)]):
        for one, other in zip(way, expected, strict=True):
            assert np.array_equal(one["image"], other["image"])
    assert np.array_equal(inputs[-1]["image"], expected[-1]["image"])
    assert len(inputs[1:3]) == 2
    with pytest.raises(IndexError):
        inputs[5]


def test_ten_times_the_pictures_take_no_more_memory(
    spec: ModelSpec, contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify.inputs, "_KEPT_BYTES", 5 * 3 * 128 * 128 * 4)  # five pictures
    paths = pictures(tmp_path, 10) * 10

    def most(count: int) -> int:
        seen, found = [], 0
        inputs = Inputs(spec, contract, [], paths[:count])
        for item in itertools.chain(inputs, inputs):
            seen.append(ref(item["image"]))
            found = max(found, len({id(each()) for each in seen} - {id(None)}))
        return found

    assert 5 < most(10) <= 7  # those that are kept, and one that takes the place of another
    assert most(100) == most(10)


def test_what_is_kept_is_read_once(spec: ModelSpec, contract: Contract, tmp_path: Path) -> None:
    paths = pictures(tmp_path, 2)
    inputs = Inputs(spec, contract, [], paths)
    first = [item["image"] for item in inputs]
    for path in paths:
        path.unlink()
    assert all(one is item["image"] for one, item in zip(first, inputs, strict=True))


def test_a_file_that_is_no_picture_is_named_when_its_turn_comes(
    spec: ModelSpec, contract: Contract, tmp_path: Path
) -> None:
    paths = pictures(tmp_path, 2)
    paths[1].write_bytes(b"no picture")
    turns = iter(Inputs(spec, contract, [], paths))
    next(turns)
    with pytest.raises(BadInputError, match=f"{paths[1].name}: is no picture"):
        next(turns)


def test_a_model_without_pictures_refuses_them_at_once(contract: Contract, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'gan-generator' takes no pictures"):
        Inputs(find_spec("gan-generator"), contract, [], pictures(tmp_path, 1))


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize(("samples", "count"), [(4, 0), (3, 9), (32, 41)])
def test_parts_hold_every_input_once_and_in_order(
    spec: ModelSpec, contract: Contract, samples: int, count: int, workers: int
) -> None:
    made, paths = spec.make_samples(contract, samples, 0), [Path(f"{n}.png") for n in range(count)]
    parts = list(parts_of(Inputs(spec, contract, made, paths), workers))
    assert [id(item) for part in parts for item in part.samples] == [id(item) for item in made]
    assert [path for part in parts for path in part.pictures] == paths
    sizes = [len(part.samples) + len(part.pictures) for part in parts]
    assert 0 < max(sizes) <= 16
    assert min(sizes) > 0
    assert len(sizes) >= min(workers, samples + count)
