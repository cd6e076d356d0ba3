from types import SimpleNamespace

from convert.short_names import shorten_names


def shortened(*names: str) -> list[str]:
    tensors = [SimpleNamespace(name=name.encode()) for name in names]
    shorten_names(SimpleNamespace(subgraphs=[SimpleNamespace(tensors=tensors)]))
    return [tensor.name.decode() for tensor in tensors]


def test_packages_are_left_out_and_modules_stay() -> None:
    name = "a.b.Net/torch.nn.Sequential_body/torch.nn.modules.linear.Linear_0;2"
    assert shortened(name) == [".Net/.Sequential_body/.Linear_0;2"]


def test_of_what_was_fused_the_first_part_stays() -> None:
    assert shortened("a.Net/b.Conv_1;;a.Net/b.Conv_0;;a.Net") == [".Net/.Conv_1;"]


def test_what_names_no_module_stays() -> None:
    names = ["serving_default_image", "arith.constant12", "x", "conv1/weight", ""]
    assert shortened(*names) == names


def test_no_two_tensors_become_alike() -> None:
    names = ["a.Net/b.Conv_0;", "c.Net/d.Conv_0;", "a.Net/b.Conv_0;;a.Net", ".Net/.Conv_0;1"]
    found = shortened(*names)
    assert found == [".Net/.Conv_0;", ".Net/.Conv_0;2", ".Net/.Conv_0;3", ".Net/.Conv_0;1"]


def test_to_shorten_twice_changes_nothing_more() -> None:
    once = shortened("a.Net/b.Conv_0;;a.Net", "a.Net/b.Conv_1;")
    assert shortened(*once) == once
