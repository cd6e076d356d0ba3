import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from checkpoints import open_checkpoint, save_model_chunked, save_streamed
from checkpoints.copying import first_difference, sources_in
from chunkport.errors import BadInputError


def values() -> dict[str, Any]:
    tied = torch.arange(12.0).reshape(3, 4)
    return {
        "state": torch.nn.BatchNorm1d(3).state_dict(),
        "tied": [tied, tied],
        "turned": tied.t(),
        "empty": [torch.empty(0, 3), torch.empty(0, 3)],
        "step": (1, "two", None, math.nan),
    }


def saved(contents: dict[str, Any], path: Path) -> Any:
    torch.save(contents, path)
    return open_checkpoint(path).contents


def test_a_copy_in_chunks_differs_in_nothing(tmp_path: Path) -> None:
    model = {**values(), "large": torch.randn(300, 100)}
    one = saved(model, tmp_path / "one.pth")
    save_streamed(sources_in(one), tmp_path / "other.pth", 0.0625, announce=print)
    other = open_checkpoint(tmp_path / "other.pth").contents
    read: list[int] = []
    assert first_difference(one, other, read.append) is None
    assert sum(read) > 120_000
    assert isinstance(other["state"], OrderedDict)
    assert vars(other["state"])["_metadata"] == model["state"]._metadata


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda model: model["tied"].__setitem__(1, torch.arange(12.0).reshape(3, 4)), "tied"),
        (lambda model: model["state"].update(bias=torch.ones(3)), "a tensor of shape (3,)"),
        (lambda model: model["state"].update(bias=torch.zeros(3).double()), "state/bias"),
        (lambda model: model["state"].update(more=1), "state"),
        (lambda model: model.update(step=(1, "two", None, 0.5)), "step/3"),
        (lambda model: model.update(step=(1.0, "two", None, math.nan)), "step/0"),
        (lambda model: model.update(step=[1, "two", None, math.nan]), "step"),
        (lambda model: model.update(turned=torch.zeros(4, 3)), "a tensor of shape (4, 3)"),
    ],
)
def test_every_difference_is_found(tmp_path: Path, change: Any, place: str) -> None:
    changed = values()
    change(changed)
    one, other = saved(values(), tmp_path / "1.pth"), saved(changed, tmp_path / "2.pth")
    found = first_difference(one, other)
    assert found is not None
    assert found.startswith(place)
    assert first_difference(other, one) is not None


def test_the_versions_of_a_state_dict_count(tmp_path: Path) -> None:
    other = values()
    other["state"]._metadata[""]["version"] = 1
    one = saved(values(), tmp_path / "1.pth")
    assert first_difference(one, saved(other, tmp_path / "2.pth")) == "state"


def test_numpy_values_of_a_whole_file_are_refused(tmp_path: Path) -> None:
    save_model_chunked({"loss": torch.ones(3).numpy()}, tmp_path / "m.pth")
    with pytest.raises(BadInputError, match="holds NumPy values; load it with load_model_chunked"):
        sources_in(open_checkpoint(tmp_path / "m.pth").contents)
