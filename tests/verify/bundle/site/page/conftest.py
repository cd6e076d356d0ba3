import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[5] / "verify" / "bundle" / "site" / "page"
_WAIT_MS = 60_000

RunNode = Callable[..., Any]
OpenBundle = Callable[..., Any]


@pytest.fixture
def run_node(node_path: Path, tmp_path: Path) -> RunNode:
    """`(program)` to what it returns: JavaScript that may `await load("module.js")` of the page."""
    shutil.copytree(PAGE, tmp_path / "page")
    (tmp_path / "page" / "package.json").write_text('{"type": "module"}')

    def run(program: str) -> Any:
        lines = [
            "import { readFileSync, writeFileSync } from 'node:fs';",
            f"const folder = {json.dumps(tmp_path.as_posix() + '/')};",
            "const load = (name) => import(`${folder}page/${name}`);",
            f"const answer = await (async () => {{ {program} }})();",
            "console.log(JSON.stringify(answer ?? null));",
        ]
        ended = subprocess.run(
            [node_path, "--input-type=module", "--eval", "\n".join(lines)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return run


@pytest.fixture
def open_bundle(open_page: Callable[..., Any], serve_folder: Callable[[Path], str]) -> OpenBundle:
    """A bundle's folder to its page, once it has done all that it does by itself.

    It is served below a path of its own, as on a shared server.
    """

    def open_it(folder: Path, **options: Any) -> Any:
        opened = open_page(f"{serve_folder(folder.parent)}/{folder.name}/", **options)
        opened.page.wait_for_selector("body[data-done]", timeout=_WAIT_MS)
        return opened

    return open_it
