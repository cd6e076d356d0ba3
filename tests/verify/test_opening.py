"""Opening what nobody vouches for: the runtime may die of it, and the judge must not."""

import os
from pathlib import Path

import numpy as np
import pytest

from verify import opening
from verify.opening import open_session
from verify.subject import Subject

SAMPLE = {"latent": np.zeros((1, 100), np.float32)}


def _die(_path: Path, _threads: int, _sample: object) -> None:
    os.abort()


def test_a_file_that_kills_the_runtime_is_told_and_not_loaded_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_try", _die)
    subject = Subject(tmp_path / "deadly.tflite", "gan-generator", "fp32", None)
    with pytest.raises(RuntimeError, match="the runtime dies of it"):
        open_session(subject, 1, SAMPLE)


def test_what_the_runtime_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    path = tmp_path / "garbage.tflite"
    path.write_bytes(b"\x00\x00\x00\x00TFL3" + bytes(100))
    with pytest.raises(ValueError, match=r"[Mm]odel"):
        open_session(Subject(path, "gan-generator", "fp32", None), 1, SAMPLE)


@pytest.mark.integration
def test_a_sound_file_opens_sealed_or_not(generator_tflites: dict[str, Path]) -> None:
    for sealed in (True, False):
        subject = Subject(
            *(generator_tflites["fp32"], "gan-generator", "fp32", None), sealed=sealed
        )
        session = open_session(subject, 1, SAMPLE)
        assert session.run(SAMPLE)["image"].shape == (1, 128, 128, 1)
