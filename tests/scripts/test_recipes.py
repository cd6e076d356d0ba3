"""`--recipe` and `--require-full`, as a user gives them to `chunkport convert`."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from convert.card import read_card
from convert.quantization.recipe import read_recipe

pytestmark = pytest.mark.integration

Run = Callable[..., CompletedProcess[str]]
MODEL = ("--model", "gan-generator")
RULES = [{"weights": "int8"}, {"weights": "int4", "layer": "Linear_fc"}]


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"schema_version": 1, "rules": RULES}))
    return path


def test_a_recipe_makes_the_mixed_file_alone_and_tells_of_every_op(
    run_here: Run, generator_checkpoint: Path, recipe_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ended = run_here(
        *("convert", generator_checkpoint, *MODEL, "--recipe", recipe_file),
        *("--require-full", "-o", out, "--format", "json"),
    )
    assert ended.returncode == 0, ended.stderr
    (made,) = json.loads(ended.stdout)["files"]
    assert made["precision"] == "mixed"
    assert made["path"] == str(out / "gan_generator_128_mixed.tflite")
    assert [path.name for path in out.iterdir()] == ["gan_generator_128_mixed.tflite"]
    weights = {op["layer"]: op["weights"] for op in made["coverage"]["ops"] if op["weights"]}
    assert weights.pop("fc") == "int4 per channel"
    assert set(weights.values()) == {"int8 per channel"}
    card = read_card(Path(made["path"]))
    assert card is not None
    assert card.recipe == read_recipe(recipe_file).to_json()
    assert card.coverage["in_integers"] == made["coverage"]["in_integers"] == 17
    assert "ops" not in card.coverage


def test_a_file_that_is_not_full_is_refused_whole(
    run_here: Run, generator_checkpoint: Path, recipe_file: Path, tmp_path: Path
) -> None:
    kept = {"weights": "float32", "activations": "float32", "layer": "up2"}
    recipe_file.write_text(json.dumps({"schema_version": 1, "rules": [*RULES, kept]}))
    out = tmp_path / "out"
    ended = run_here(
        *("convert", generator_checkpoint, *MODEL, "--recipe", recipe_file, "--require-full"),
        *("--precision", "int8", "-o", out),
    )
    assert ended.returncode == 4
    assert "mixed leaves 4 of 28 computing ops in float" in ended.stderr
    assert "4 CONV_2D (up2.0, up2.1, up2.2, and 1 more): float32 by rule 2" in ended.stderr
    assert "a recipe without that rule" in ended.stderr
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no JSON"),
        ('{"schema_version": 1, "rules": [{"weights": "int5"}]}', "rule 0: weights"),
        ('{"schema_version": 1, "rules": [{"weights": "int8", "layr": "x"}]}', "mean 'layer'"),
        ('{"schema_version": 2, "rules": []}', "schema_version"),
    ],
)
def test_a_bad_recipe_is_told_by_its_file(
    run_here: Run, generator_checkpoint: Path, recipe_file: Path, content: str, told: str
) -> None:
    recipe_file.write_text(content)
    ended = run_here("convert", generator_checkpoint, *MODEL, "--recipe", recipe_file)
    assert ended.returncode == 2
    assert str(recipe_file) in ended.stderr
    assert told in ended.stderr


def test_full_float_files_are_no_request(run_here: Run, generator_checkpoint: Path) -> None:
    ended = run_here("convert", generator_checkpoint, *MODEL, "--require-full")
    assert ended.returncode == 2
    assert "add --precision int8-static" in ended.stderr
