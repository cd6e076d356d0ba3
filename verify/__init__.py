"""A .tflite against the network it came from: runtimes, metrics, verdict, benchmark, report."""
