"""A float32 .tflite in fewer bits: which layers get which widths, how, and what became of it."""
