import inspect
import sys
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

import bayes_coprod

CHECKOUT = Path(__file__).parents[1]


def section(title):
    """A section's head in numpydoc's form."""
    return f"{title}\n{'-' * len(title)}\n"


def test_imports_run_downward_only(monkeypatch):
    monkeypatch.chdir(CHECKOUT)
    monkeypatch.setattr(sys, "path", list(sys.path))  # the linter adds to it
    assert lint_imports(no_cache=True, no_logo=True) == 0  # its report stands in captured output


def test_no_module_takes_the_public_names():
    """A module that imports from the package itself would pass under the layers contract."""
    graph = grimp.build_graph("bayes_coprod", cache_dir=None)
    assert graph.find_modules_that_directly_import("bayes_coprod") == set()


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = bayes_coprod.no_such_name


@pytest.mark.parametrize("name", bayes_coprod.__all__)
def test_every_public_name_resolves_and_is_documented(name):
    public = getattr(bayes_coprod, name)
    # Its own docstring: a dataclass without one is given its signature instead.
    docstring = inspect.cleandoc(public.__doc__ or "")
    assert docstring and not docstring.startswith(f"{name}(")
    if inspect.isfunction(public):
        signature = inspect.signature(public)
        assert not signature.parameters or section("Parameters") in docstring
        missing = [parameter for parameter in signature.parameters if parameter not in docstring]
        assert not missing
        assert signature.return_annotation in (None, "None") or section("Returns") in docstring


def test_the_reference_lists_the_public_names_and_no_others():
    lines = (CHECKOUT / "docs" / "api.md").read_text(encoding="utf-8").splitlines()
    listed = [line.strip() for line in lines if line.strip().isidentifier() and line[0] == " "]
    assert sorted(listed) == sorted(bayes_coprod.__all__)
