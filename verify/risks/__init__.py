"""What can go wrong on a phone's GPU, found on a desktop: what it refuses, what it gets wrong.

A phone's GPU takes tensors of four axes, a part of the ops, and computes in float16 unless told
otherwise. Each file here looks at one of these; `audit.py` runs them all.
"""
