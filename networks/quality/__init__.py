"""How good a set of generated pictures is, beside real ones: distances, coverage, copies."""
