"""What the page says of messages, in Node, against what the commands say."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from verify.message_statistics import chance_of_matches
from wrappers.detector_specs import read_message
from wrappers.spec import Message

pytestmark = pytest.mark.integration

RunNode = Callable[..., Any]


@pytest.mark.parametrize("nbits", [32, 256, 1024, 13])
def test_logits_say_the_same_in_both(run_node: RunNode, nbits: int) -> None:
    logits = np.random.default_rng(nbits).standard_normal((1, 1 + nbits)).astype(np.float32)
    expected = read_message({"preds": logits})
    found = run_node(
        "const { messageOf } = await load('messages.js');"
        f"const preds = Float32Array.from({json.dumps(logits[0].tolist())});"
        "return messageOf({ outputs: [{ name: 'preds' }] }, { preds });"
    )
    assert tuple(found["bits"]) == expected.bits
    assert found["hex"] == expected.hex
    assert found["confidence"] == pytest.approx(expected.confidence)


@pytest.mark.parametrize("nbits", [1, 32, 256, 1024])
def test_chance_is_the_commands_chance(run_node: RunNode, nbits: int) -> None:
    counts = sorted({0, nbits // 2, (3 * nbits) // 4, nbits - 1, nbits})
    found = run_node(
        "const { chanceOf } = await load('messages.js');"
        f"return {counts}.map((count) => chanceOf({nbits}, count));"
    )
    expected = [float(chance_of_matches(nbits, count)) for count in counts]
    assert found == pytest.approx(expected, rel=1e-9)


def test_messages_are_read_as_people_write_them(run_node: RunNode) -> None:
    typed = ["deadbeef", "0xDEADBEEF", "dead beef", "1" * 32, "dead", "deadbeeg", "", "101"]
    found = run_node(
        "const { parseMessage, hexOf } = await load('messages.js');"
        "const hex = (bits) => bits && hexOf(bits);"
        f"return {json.dumps(typed)}.map((text) => hex(parseMessage(text, 32)));"
    )
    assert found == ["deadbeef"] * 3 + ["f" * 8] + [None] * 4


def test_spare_bits_of_the_last_digit_must_be_zero(run_node: RunNode) -> None:
    found = run_node(
        "const { parseMessage } = await load('messages.js');"
        "return ['fff8', 'fff9'].map((text) => parseMessage(text, 13));"
    )
    assert found == [[1] * 13, None]
    assert Message(0.0, tuple(found[0])).hex == "fff8"
