"""The rules of the house that no linter knows."""

import io
import itertools
import json
import os
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from scripts._cli import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
LONGEST_MODULE = 300  # lines
SLOWEST_HELP = 0.5  # seconds

# A silenced rule is named, and followed by the reason: "noqa: X1 - reason", or "# reason".
SILENCED = re.compile(r"#\s*(noqa|type:\s*ignore)\b")
SILENCED_WITH_REASON = re.compile(
    r"#\s*(noqa: [A-Z]+\d+(, ?[A-Z]+\d+)*|type: ignore\[[a-z, -]+\])\s+(- |# )\w.{3,}"
)
# Places on one machine, and hosts that packages come from; split, so as not to name any itself.
ELSEWHERE = re.compile(
    r"(?<![\w.])/(?:work|root|home|Users|tmp/v|opt/(?:pypi|wheels))(?:/|\b)"
    r"|pypi\.(?:org|python)|pythonhosted\.|anaconda\.(?:org|com)|npmjs\.|download\.pytorch"
)


def tracked(*endings: str) -> list[Path]:
    """The files of the repository, new ones too, whose names end so."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git's place differs
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = (ROOT / name for name in listed.stdout.split("\0") if name.endswith(endings or ""))
    return sorted({path for path in paths if path.is_file()})


def comments(path: Path) -> Iterator[tuple[int, str]]:
    """Each line that holds a comment, by number, from the comment on."""
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return found


def environment() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    return found


def pinned() -> dict[str, str]:
    """Name to version, as constraints.txt has them."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonical(name): version for name, version in pairs}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )


def test_conda_gets_what_pip_gets() -> None:
    found = environment()
    assert found["name"] == "chunkport"
    *of_conda, of_pip = found["dependencies"]
    assert of_conda == ["python=3.11", "pip"]
    first, *packages, last = of_pip["pip"]
    assert first == "-c constraints.txt"
    assert last == "-e ."
    assert packages == project()["project"]["dependencies"]


def test_every_package_is_pinned_inside_its_range() -> None:
    versions = pinned()
    wanted = project()["project"]
    lines = itertools.chain(wanted["dependencies"], *wanted["optional-dependencies"].values())
    for requirement in map(Requirement, lines):
        if requirement.name == wanted["name"]:
            continue  # one of its own extras, within another
        version = versions[canonical(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} is pinned to {version}"


def test_ignored_rules_have_their_reason_beside_them() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.split("[tool.ruff.lint]\n")[1].split("[tool.ruff.lint.pydocstyle]")[0]
    ignoring = section[section.index("ignore = [") :]
    entries = re.findall(r'^\s+"[A-Z]+\d*",.*$', ignoring, flags=re.MULTILINE)
    settings = project()["tool"]["ruff"]["lint"]
    ignored = len(settings["ignore"]) + sum(map(len, settings["per-file-ignores"].values()))
    assert len(entries) == ignored  # one to a line, all of them seen
    assert [line for line in entries if not re.search(r",\s+# \w.{5,}", line)] == []


def test_silenced_lines_have_their_reason_beside_them() -> None:
    unreasoned = [
        f"{path.relative_to(ROOT)}:{number}: {text}"
        for path in tracked(".py")
        for number, text in comments(path)
        if SILENCED.search(text) and not SILENCED_WITH_REASON.search(text)
    ]
    assert unreasoned == []


@pytest.mark.parametrize(
    ("comment", "reasoned"),
    [
        ("# noqa: S603 - runs our own command", True),
        ("# noqa: S603  # runs our own command", True),
        ("# type: ignore[arg-type]  # it only writes", True),
        ("# noqa: S603", False),
        ("# noqa", False),
        ("# type: ignore", False),
        ("# type: ignore[arg-type]", False),
    ],
)
def test_a_reason_is_told_from_none(comment: str, reasoned: bool) -> None:
    assert SILENCED.search(comment)
    assert bool(SILENCED_WITH_REASON.search(comment)) == reasoned


def test_modules_can_be_read_in_one_sitting() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in tracked(".py")}
    long = {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n >= LONGEST_MODULE}
    assert lengths
    assert long == {}


def test_links_and_pictures_of_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)[^)]*\)|(?:src|href)=\"([^\"]+)\"", text)
    relative = {first or second for first, second in targets}
    relative = {item.split("#")[0] for item in relative if not re.match(r"[a-z]+:", item)} - {""}
    assert relative
    assert sorted(item for item in relative if not (ROOT / item).exists()) == []


def test_the_readme_lists_the_commands_that_there_are() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    first_cells = [
        re.findall(r"^\| *`([a-z-]+)` *\|", table, flags=re.MULTILINE) for table in tables
    ]
    listed = next(cells for cells in first_cells if "convert" in cells)
    assert listed == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_file_and_its_help(name: str) -> None:
    place = COMMANDS[name]
    assert place == f"scripts.{name.replace('-', '_')}"
    assert (ROOT / place.replace(".", "/")).with_suffix(".py").is_file()
    said = python("-m", "scripts._cli", name, "--help").stdout
    assert f"{name} [OPTIONS]" in said
    assert "--format [human|json]" in said


def test_no_file_knows_one_machine() -> None:
    found = []
    for path in tracked():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:  # a picture
            continue
        place = path.relative_to(ROOT)
        found += [
            f"{place}:{n}: {line}" for n, line in enumerate(lines, 1) if ELSEWHERE.search(line)
        ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "elsewhere"),
    [
        ("see /" + "work/models", True),
        ("/" + "root", True),
        ("https://" + "pypi." + "org/simple", True),
        ("scripts/work/x", False),
        ("a workbench", False),
        ("out/root.txt", False),
    ],
)
def test_machines_and_hosts_are_told_from_other_words(text: str, elsewhere: bool) -> None:
    assert bool(ELSEWHERE.search(text)) == elsewhere


def test_help_answers_at_once() -> None:
    """By the processor's clock, which is the wall's unless other programs run too."""
    seconds = []
    for _ in range(3):
        before = os.times()
        python("-m", "scripts._cli", "--help")
        after = os.times()
        spent = after.children_user + after.children_system
        seconds.append(spent - before.children_user - before.children_system)
    assert 0 < min(seconds) < SLOWEST_HELP


def test_help_loads_nothing_heavy() -> None:
    program = """
import json, sys
from scripts._cli import main
sys.argv = ["chunkport", "--help"]
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""
    loaded = set(json.loads(python("-c", program).stderr))
    assert "click" in loaded
    assert "scripts.convert" in loaded
    assert loaded.isdisjoint({"torch", "numpy", "rich", "PIL", "litert_torch", "ai_edge_litert"})
