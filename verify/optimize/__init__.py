"""The search for the smallest or fastest file that still passes its verdict.

`layers` says what may be chosen, `sensitivity` what each choice costs alone, `path` orders the
choices by what they cost for what they save, `search` finds with real verdicts how far that goes,
and `outcome` says what came of it. `evaluation` is the one place that makes and measures a file.
"""
