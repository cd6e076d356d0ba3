"""What runs a .tflite; one file per runtime, each giving a `Session`."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from wrappers.spec import Arrays


class Session(Protocol):
    """A loaded model."""

    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of its inputs, by name."""

    def output_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of its outputs, by name."""

    def run(self, inputs: "Arrays") -> "Arrays":
        """Outputs by name for inputs by name."""
