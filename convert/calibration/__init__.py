"""What a model is calibrated on, and the ranges of its activations that are found so."""
