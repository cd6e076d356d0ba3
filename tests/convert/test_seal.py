"""The seal: every changed bit of a file is seen, wherever it lies, and no file takes us down."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from chunkport.errors import BadInputError
from convert import seal
from convert.card import Card, examine, read_card, stamp
from convert.seal import OPEN_SEAL, SEAL_KEY, read_seal

WriteTflite = Callable[..., Path]
CARD = Card(
    model="gan-generator",
    precision="fp32",
    variant="rewritten",
    contract={"inputs": [], "outputs": []},
    checkpoint={"sha256": "ab" * 32, "files": []},
    tools={"torch": "2.13.0"},
)


@pytest.fixture
def sealed(tmp_path: Path, write_tflite: WriteTflite) -> Path:
    bare = write_tflite(tmp_path / "bare.tflite", {"weight": np.arange(600, dtype=np.float32)})
    stamp(bare, tmp_path / "sealed.tflite", CARD)
    return tmp_path / "sealed.tflite"


def test_a_file_is_sealed_as_it_is_written(sealed: Path) -> None:
    found = read_seal(sealed)
    assert found is not None
    assert found.whole
    assert found.found != OPEN_SEAL
    examined = examine(sealed)
    assert (examined.card, examined.sealed, examined.damage) == (CARD, True, None)


def test_a_new_card_is_sealed_anew(sealed: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.tflite"
    stamp(sealed, again, CARD)
    assert read_card(again) == CARD
    assert again.read_bytes().count(SEAL_KEY.encode()) == 1


def test_every_changed_bit_is_seen_and_none_is_followed(sealed: Path, tmp_path: Path) -> None:
    content = sealed.read_bytes()
    flipped = tmp_path / "flipped.tflite"
    key = content.rindex(SEAL_KEY.encode())
    digits = range(key - 2, key + len(f'{SEAL_KEY}": "{OPEN_SEAL}"\n}}'))
    everywhere = np.random.default_rng(0).integers(8 * len(content), size=300).tolist()
    for bit in [*everywhere, *range(8 * digits.start, 8 * digits.stop)]:
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        flipped.write_bytes(changed)
        try:
            examined = examine(flipped)
        except BadInputError:
            continue
        assert examined.damage, f"bit {bit} of {len(content)} bytes"
        with pytest.raises(BadInputError, match="is damaged"):
            read_card(flipped)


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content + b"\0"])
def test_a_shorter_or_longer_file_is_damaged(
    sealed: Path, change: Callable[[bytes], bytes]
) -> None:
    sealed.write_bytes(change(sealed.read_bytes()))
    with pytest.raises(BadInputError, match="is damaged"):
        read_card(sealed)


def test_a_file_of_an_earlier_chunkport_has_no_seal(
    tmp_path: Path, write_tflite: WriteTflite
) -> None:
    bare = write_tflite(tmp_path / "bare.tflite", {"weight": np.arange(6, dtype=np.float32)})
    assert read_seal(bare) is None
    examined = examine(bare)
    assert (examined.card, examined.sealed) == (None, False)


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
def test_the_seal_is_found_however_the_file_is_read(
    sealed: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    expected = read_seal(sealed)
    monkeypatch.setattr(seal, "_BLOCK", block)
    assert read_seal(sealed) == expected
