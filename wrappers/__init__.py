"""From a checkpoint to a TFLite-friendly module that computes the same function, exactly."""
