"""The commands: one thin file each, named as the command; `_cli.py` gathers them."""

import sys
from pathlib import Path

# `python scripts/convert.py` puts this folder first on the path, where convert.py and verify.py
# would hide the packages of the same name.
_HERE = Path(__file__).resolve().parent
sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != _HERE]
