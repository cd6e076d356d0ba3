"""Where a .tflite departs from its network, layer by layer, and by which step on the way to it."""
