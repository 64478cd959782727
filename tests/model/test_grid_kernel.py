"""Machine code that is kept in numba's cache."""

import importlib
import pkgutil

import pytest
from numba.core.registry import CPUDispatcher

import bayes_coprod.model


def compiled_functions(module, *, own=False):
    found = {f for f in vars(module).values() if isinstance(f, CPUDispatcher)}
    return {f for f in found if f.py_func.__module__ == module.__name__} if own else found


MODULES = [
    importlib.import_module(f"{bayes_coprod.model.__name__}.{found.name}")
    for found in pkgutil.iter_modules(bayes_coprod.model.__path__)
]
COMPILING = [module for module in MODULES if compiled_functions(module, own=True)]


def test_compiling_modules_are_found():
    names = {module.__name__.rpartition(".")[2] for module in COMPILING}
    assert {"grid_kernel", "lattice", "answer_tables"} <= names


@pytest.mark.parametrize("module", COMPILING, ids=lambda m: m.__name__)
def test_compiled_functions_call_only_their_own_file(module):
    """Numba's cache would keep the old code of what changed in another file."""
    own = compiled_functions(module, own=True)
    others = compiled_functions(module) - own
    for function in own:
        called = {vars(module).get(name) for name in function.py_func.__code__.co_names}
        assert not called & others, (function, called & others)


@pytest.mark.parametrize("module", COMPILING, ids=lambda m: m.__name__)
def test_what_compiled_functions_call_is_inlined(module):
    """Otherwise the process that compiles would round otherwise than those that use the cache."""
    for function in compiled_functions(module):
        for name in function.py_func.__code__.co_names:
            called = vars(module).get(name)
            if isinstance(called, CPUDispatcher):
                assert called.targetoptions.get("forceinline"), (function, called)
