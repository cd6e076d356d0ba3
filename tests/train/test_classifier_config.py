import json
from typing import Any

import pytest

from chunkport.errors import BadInputError, UsageError
from train.classifier_config import ClassifierConfig

CONFIG = ClassifierConfig(classes=("Apple", "Pear"), epochs=3)


def test_a_config_survives_json() -> None:
    assert ClassifierConfig.from_dict(json.loads(json.dumps(CONFIG.as_dict()))) == CONFIG


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("classes", ("Apple",), "classes: Apple; give pictures of at least 2"),
        ("classes", (), "classes: none; give pictures of at least 2"),
        ("epochs", 0, "epochs: is 0; give at least 1"),
        ("batch_size", 1, "batch_size: is 1; give at least 2"),
        ("width", 0, "width: is 0; give at least 1"),
        ("seed", -1, "seed: is -1; give at least 0"),
        ("learning_rate", 0.0, r"learning_rate: is 0\.0; give a finite number above 0"),
        ("learning_rate", float("inf"), "learning_rate: is inf; give a finite number above 0"),
    ],
)
def test_senseless_values_are_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ClassifierConfig(**{"classes": ("Apple", "Pear"), field: value})


def test_other_values_are_refused() -> None:
    with pytest.raises(BadInputError, match="config: missing or unknown noise_dim"):
        ClassifierConfig.from_dict({**CONFIG.as_dict(), "noise_dim": 100})
