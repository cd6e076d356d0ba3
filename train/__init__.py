"""Training: drawn or loaded images in, checkpoints out."""
