"""The README of an inference folder."""

from collections.abc import Mapping
from typing import Any

_TEXT = """\
# {title}

Version {version}, architecture `{architecture}`, trained for {epoch} epochs.

## Load

In this folder, with chunkport installed:

```python
{load_code}
```

Every byte is checked on loading, and no code in the file is run.

{convert}## Measured

{metrics}

## Files

| file | holds |
|---|---|
| `{weights}` | the weights, {megabytes:.1f} MB; in chunks beside it where they are above the cap |
| `config.json` | what the network is built from |
| `training_metadata.json` | name, version, training, metrics: what programs should read |
"""
_CONVERT = """\
## Convert

```bash
{commands}
```

"""


def readme(metadata: Mapping[str, Any], load_code: str, convert_commands: str) -> str:
    """The text, from the folder's metadata and the ways of using it; no commands, no section."""
    rows = [f"| {name} | {value:.4g} |" for name, value in metadata["metrics"].items()]
    table = "\n".join(["| metric | value |", "|---|---|", *rows])
    return _TEXT.format(
        **{key: metadata[key] for key in ("title", "version", "architecture", "epoch", "weights")},
        load_code=load_code.strip(),
        convert=_CONVERT.format(commands=convert_commands.strip()) if convert_commands else "",
        metrics=table if rows else "Nothing was.",
        megabytes=metadata["size_bytes"] / 1e6,
    )
