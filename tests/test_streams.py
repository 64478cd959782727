import numpy as np

from bayes_coprod.streams import random_stream


def first(*arguments):
    return random_stream(*arguments).random()


def test_each_purpose_and_place_has_numbers_of_its_own():
    asked = [
        (1, "population"),
        (1, "population", 0),
        (1, "population", 0, 0),
        (1, "population", 1),
        (1, "prior"),
        (2, "population"),
    ]
    found = [first(*arguments) for arguments in asked]
    assert len(set(found)) == len(asked)
    # zeros at the end of a list of seeds make no difference to numpy
    assert np.random.default_rng([1, 0]).random() == np.random.default_rng(1).random()
    assert np.random.default_rng(1).random() not in found


def test_the_same_arguments_give_the_same_numbers():
    assert first(1, "prior", 3) == first(1, "prior", 3)
