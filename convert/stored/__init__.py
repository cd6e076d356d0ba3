"""What the constants of a .tflite stand for, and which weights they were."""
