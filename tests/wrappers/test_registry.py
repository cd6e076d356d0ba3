"""Models by name and in a user's own file."""

from pathlib import Path

import pytest

from chunkport.errors import UsageError
from wrappers.gan_generator import SPEC
from wrappers.registry import find_spec, model_names
from wrappers.spec import BuildOptions

_OWN = """
from __future__ import annotations

from dataclasses import dataclass, replace

from wrappers.gan_generator import SPEC


@dataclass(frozen=True)
class Sizes:
    width: int


MINE = replace(SPEC, name="mine")
NUMBER = 3
"""


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    path = tmp_path / "my_model.py"
    path.write_text(_OWN)
    return path


def test_every_listed_model_is_found_under_its_own_name() -> None:
    assert "gan-generator" in model_names()
    assert [find_spec(name).name for name in model_names()] == model_names()
    assert find_spec("gan-generator") is SPEC


def test_an_unknown_model_is_refused_with_the_nearest_and_all_names() -> None:
    with pytest.raises(UsageError, match=r"'gan-generater'\. Did you mean 'gan-generator'\?"):
        find_spec("gan-generater")
    with pytest.raises(UsageError, match=r"'zzz'\. Models: .*gan-generator"):
        find_spec("zzz")


def test_a_spec_is_read_from_a_file_of_ones_own(own_file: Path) -> None:
    assert find_spec(f"{own_file}:MINE").name == "mine"


def test_a_missing_file_and_a_missing_name_are_named(own_file: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file .*absent\.py"):
        find_spec(f"{own_file.with_name('absent.py')}:MINE")
    with pytest.raises(UsageError, match=r"my_model\.py defines no 'YOURS'"):
        find_spec(f"{own_file}:YOURS")


def test_what_is_no_spec_is_refused(own_file: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a wrappers\.spec\.ModelSpec, found .*int"):
        find_spec(f"{own_file}:NUMBER")


@pytest.mark.parametrize("text", ["def broken(:", "import a_module_that_is_not_there", "1 / 0"])
def test_a_file_that_cannot_be_imported_is_a_mistake_of_its_author(
    own_file: Path, text: str
) -> None:
    own_file.write_text(text)
    with pytest.raises(UsageError, match=r"my_model\.py cannot be imported"):
        find_spec(f"{own_file}:MINE")


def test_an_alias_is_the_model_that_it_stands_for() -> None:
    assert find_spec("videoseal") is find_spec("videoseal-1.0")


def test_a_model_is_found_built_with_options() -> None:
    spec = find_spec("videoseal", BuildOptions(image_size=320))
    assert spec.file_stem == "videoseal-1.0_detector_320"
    with pytest.raises(UsageError, match="has no choice of layout"):
        find_spec("gan-generator", BuildOptions(layout="nhwc"))
