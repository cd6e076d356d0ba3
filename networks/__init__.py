"""The reference networks, as they are trained: state-dict compatible and written to be read."""
