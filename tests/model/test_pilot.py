import numpy as np
import pytest

from bayes_coprod.model.pilot import Evidence, Pilot, Whitening, pilot_dataset, read_pilot
from bayes_coprod.model.quadrature import Nodes


def same(one, other):
    for field in ("evidence", "whitening", "nodes"):
        a, b = getattr(one, field), getattr(other, field)
        assert (a is None) == (b is None)
        for name in vars(a) if a is not None else ():
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert one.problem == other.problem


def test_evidence_of_two_shapes_is_refused():
    with pytest.raises(ValueError, match=r"estimate has shape \(2, 3\), precision \(2, 1\)"):
        Evidence(np.zeros((2, 3)), np.zeros((2, 1)))


@pytest.mark.parametrize("value", [-1.0, np.nan])
def test_evidence_of_negative_or_unknown_precision_is_refused(value):
    with pytest.raises(ValueError, match="precision is negative"):
        Evidence(np.zeros((1, 1)), np.full((1, 1), value))


def test_a_pilot_is_stored_as_it_is(rng):
    estimate, precision = rng.normal(size=(2, 3)), rng.uniform(size=(2, 3))
    stored = pilot_dataset(Pilot(Evidence(estimate, precision)))
    np.testing.assert_array_equal(stored["estimate"], estimate)
    np.testing.assert_array_equal(stored["precision"], precision)


@pytest.mark.parametrize("parts", ["", "e", "n", "ew", "ewn", "ea"])
def test_what_is_stored_is_read_back(rng, parts):
    pilot = Pilot(
        Evidence(
            rng.normal(size=(2, 3)),
            rng.uniform(size=(2, 3)),
            rng.normal(size=(2, 3, 4)) if "a" in parts else None,
        )
        if "e" in parts
        else None,
        Whitening(rng.normal(size=4), np.tril(rng.normal(size=(4, 4)))) if "w" in parts else None,
        Nodes(rng.normal(size=(5, 2)), rng.uniform(size=(5, 2)), (8, 13)) if "n" in parts else None,
        problem="The pilot found no mode." if parts == "n" else "",
    )
    same(read_pilot(pilot_dataset(pilot)), pilot)
