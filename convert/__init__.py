"""nn.Module to .tflite: one float32 conversion, and every other precision from that file."""
