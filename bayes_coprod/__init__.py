"""Bayesian models of co-production, from a survey file to a report.

The public names are imported at first use, so that ``import bayes_coprod`` loads neither PyMC
nor JAX. They are listed in ``__init__.pyi``, which type checkers read as well.
"""

import lazy_loader

_public_name, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # slower than all the rest of this import

        return version("bayes-coprod")
    return _public_name(name)
