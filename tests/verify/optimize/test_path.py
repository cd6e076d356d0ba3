from convert.quantization.recipe import Rule
from verify.optimize.layers import FLOAT
from verify.optimize.path import cheapest_steps, expected_error, smaller_neighbours
from verify.optimize.sensitivity import Option

INT8, INT4, HALF = Rule("int8"), Rule("int4"), Rule("float16", "float32")


def options(*more: tuple[Rule, int, float]) -> tuple[Option, ...]:
    return (Option(FLOAT, 0, 0.0), *(Option(*one) for one in more))


STURDY = options((INT8, 75, 0.1), (INT4, 87, 0.2))
DELICATE = options((INT8, 75, 1.0), (INT4, 87, 500.0))


def test_the_least_error_for_each_byte_comes_first() -> None:
    steps = cheapest_steps((DELICATE, STURDY))
    assert steps == [
        (FLOAT, FLOAT),
        (FLOAT, INT8),
        (FLOAT, INT4),
        (INT8, INT4),
        (INT4, INT4),
    ]


def test_formats_that_a_mixture_beats_are_no_steps() -> None:
    dear = options((HALF, 50, 0.9), (INT8, 75, 0.1))
    assert cheapest_steps((dear,)) == [(FLOAT,), (INT8,)]


def test_what_costs_nothing_is_taken_at_once() -> None:
    assert cheapest_steps((options((HALF, 50, 0.0)), STURDY))[0] == (HALF, FLOAT)


def test_errors_of_layers_add_up() -> None:
    assert expected_error((DELICATE, STURDY), (INT8, INT4)) == 1.2


def test_neighbours_are_smaller_and_the_cheapest_comes_first() -> None:
    found = list(smaller_neighbours((DELICATE, STURDY), (INT8, INT8), least=1))
    assert found[0] == (INT8, INT4)
    assert (INT4, INT8) in found
    assert (FLOAT, INT4) not in found  # larger


def test_a_layer_is_spared_where_another_saves_more() -> None:
    large = options((INT8, 750, 0.1), (INT4, 870, 0.2))
    found = list(smaller_neighbours((DELICATE, large), (INT8, INT8), least=1))
    assert found[0] == (FLOAT, INT4)  # less error in all, and 45 bytes less


def test_what_saves_too_little_is_left_out() -> None:
    assert list(smaller_neighbours((STURDY,), (INT8,), least=13)) == []
