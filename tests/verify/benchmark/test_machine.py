import os

import torch

from verify.benchmark.machine import SGEMM_FLOP, cores, machine, sgemm


def test_the_machine_is_named() -> None:
    found = machine()
    assert found["cores"] == cores() >= 1
    assert cores() <= (os.cpu_count() or 1)
    assert all(found[key] for key in ("cpu", "system", "python"))


def test_the_product_takes_the_threads_and_the_arithmetic_that_it_says() -> None:
    before = torch.get_num_threads()
    try:
        product = sgemm(2)()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert isinstance(product, torch.Tensor)
    rows, columns = product.shape
    assert 2 * rows * columns * rows == SGEMM_FLOP
