"""What all tests share."""

import torch

# Small tensors: more threads would only wait for each other.
torch.set_num_threads(1)
