import pandas as pd
import pytest


@pytest.fixture
def content():
    """A small codebook that uses the whole grammar; each test may change its own."""
    return {
        "survey": {"name": "Small survey", "forms": ["alone", "together"], "citizen": "id"},
        "country": {"column": "land", "labels": {"NO": "Norway", "DK": "Denmark"}},
        "weight": {"column": "w"},
        "missing": {"values": ["refused", -9]},
        "items": {
            "recycle": {
                "column": "q1",
                "form": "alone",
                "categories": ["never", "sometimes", "often"],
            },
            "group": {"column": "q2", "form": "together", "categories": [1, 2, 3], "missing": [8]},
        },
        "drivers": {
            "efficacy": {"column": "q3", "kind": "ordered", "categories": ["none", "some", "big"]},
            "age": {"kind": "numeric", "bounds": [18, 99]},
            "woman": {"column": "sex", "kind": "binary", "yes": ["F"]},
            "education": {"kind": "categorical", "categories": ["low", "high"]},
        },
    }


@pytest.fixture
def frame():
    """Five citizens as `content` describes them; the last answered nothing."""
    return pd.DataFrame(
        {
            "id": ["a", "b", "c", "d", "e"],
            "land": ["DK", "NO", "DK", "NO", "DK"],
            "w": ["1", "0.5", "2", "1.25", None],
            "q1": ["often", "never", "refused", "sometimes", None],
            "q2": ["1", "3", "8", "2", "-9"],
            "q3": ["big", "none", "some", None, "refused"],
            "age": ["18", "99", "40.5", "-9", None],
            "sex": ["F", "M", "F", "M", None],
            "education": ["low", "high", "high", None, "refused"],
            "nobody_asked": ["x", "y", "z", "x", "y"],
        }
    )
