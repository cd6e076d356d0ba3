"""What the README tells a reader to type, typed as it stands there."""

import shlex
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from PIL import Image

from train.picture_files import seed_of
from train.scenes import render_scene

ROOT = Path(__file__).parents[2]
_UNSEEN = 1 << 25

Run = Callable[..., CompletedProcess[str]]


@pytest.mark.integration
def test_a_watermark_is_hidden_read_and_attacked(run_chunkport: Run, tmp_path: Path) -> None:
    """Every line of the section's first block, in an empty folder with one photo in it."""
    section = (ROOT / "README.md").read_text().partition("\n## A watermark\n")[2]
    block = section.partition("```bash\n")[2].partition("```")[0].replace("\\\n", " ")
    lines = [line for line in block.splitlines() if line.startswith("chunkport ")]
    assert [line.split()[1] for line in lines] == [
        "embed-watermark", "convert", "detect-watermark", "attack-watermark",
    ]  # fmt: skip
    photo = Image.fromarray(render_scene(seed_of(1, _UNSEEN), 400)).crop((0, 0, 400, 300))
    photo.save(tmp_path / "photo.jpg", quality=95)
    for line in lines:
        words = shlex.split(line.replace("samples/", f"{ROOT}/samples/"))[1:]
        files = [str(found) for word in words if "*" in word for found in tmp_path.glob(word)]
        words = [word for word in words if "*" not in word] + files
        if "attack-watermark" in words:
            words += ["--count", "40", "--clean", "60"]
            words += ["--min-bit-accuracy", "none=0.97", "--min-bit-accuracy", "jpeg-70=0.93"]
        ended = run_chunkport(*words)
        assert ended.returncode == 0, f"{line}: {ended.stdout}{ended.stderr}"
