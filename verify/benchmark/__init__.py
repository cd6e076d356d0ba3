"""Size, speed and memory of one model in several forms, measured side by side."""
