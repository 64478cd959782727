"""Machine code that is kept in numba's cache."""

import pytest
from numba.core.registry import CPUDispatcher

from bayes_coprod.model import answer_tables, grid_kernel, response


@pytest.mark.parametrize("module", [answer_tables, grid_kernel, response], ids=lambda m: m.__name__)
def test_compiled_functions_call_only_their_own_file(module):
    """Numba's cache would keep the old code of what changed in another file."""
    compiled = [f for f in vars(module).values() if isinstance(f, CPUDispatcher)]
    own = [f for f in compiled if f.py_func.__module__ == module.__name__]
    assert own
    for function in own:
        called = {vars(module).get(name) for name in function.py_func.__code__.co_names}
        others = called.intersection(set(compiled) - set(own))
        assert not others, (function, others)
