import os
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
HEAVY = ("jax", "nutpie", "pandas", "pymc", "pytensor")

FIND_INDEX = """
import bayes_coprod as bc
print(bc.__file__)
bc.load_model("index")
print("index" in bc.list_models())
"""
SHOW_HELP = """
import sys
from bayes_coprod.cli import main
sys.argv = ["bayes-coprod", "--help"]
try:
    main()
except SystemExit as stop:
    assert not stop.code
"""


def run_python(code, cwd, first_on_path=None):
    """What `code` prints in a fresh interpreter, started away from the checkout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if first_on_path is not None:
        environment["PYTHONPATH"] = str(first_on_path)
    outcome = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout.splitlines()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder]
    subprocess.run([*build, CHECKOUT], check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_carries_everything_that_is_read_at_run_time(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "bayes_coprod/__init__.pyi" in names  # lazy_loader reads it
    assert "bayes_coprod/py.typed" in names
    assert "bayes_coprod/_models/index.toml" in names
    assert "bayes_coprod/survey/codebooks/five_nations.toml" in names
    templates = {path.name for path in (CHECKOUT / "bayes_coprod/report/templates").iterdir()}
    assert templates
    assert templates == {
        Path(name).name for name in names if name.startswith("bayes_coprod/report/templates/")
    }


def test_wheel_carries_nothing_else_at_the_top(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"bayes_coprod"}


def test_installed_wheel_finds_its_models(wheel, tmp_path):
    installed = tmp_path / "installed"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run([*install, "--target", installed, wheel], check=True, capture_output=True)

    package, found = run_python(FIND_INDEX, tmp_path, first_on_path=installed)

    assert Path(package).is_relative_to(installed)  # so the checkout's models/ is out of reach
    assert found == "True"


def test_editable_install_finds_the_models_of_the_checkout(tmp_path):
    package, found = run_python(FIND_INDEX, tmp_path)
    assert Path(package).is_relative_to(CHECKOUT)
    assert found == "True"


@pytest.mark.parametrize("act", ["import bayes_coprod as bc; bc.__version__; dir(bc)", SHOW_HELP])
def test_import_and_help_are_light(act, tmp_path):
    look = f"import sys; print([name for name in {HEAVY} if name in sys.modules])"
    *_, loaded = run_python(f"{act}\n{look}", tmp_path)
    assert loaded == "[]"


def test_version_is_the_distributions(tmp_path):
    (shown,) = run_python("import bayes_coprod; print(bayes_coprod.__version__)", tmp_path)
    assert shown == version("bayes-coprod")
