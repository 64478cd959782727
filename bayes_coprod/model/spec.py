"""The model file: one TOML file is one model."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from bayes_coprod.errors import SpecError, make_error
from bayes_coprod.files import read_toml
from bayes_coprod.model.prior_spec import PRIORS, Prior, parse_priors
from bayes_coprod.strict import StrictTable

type Pooling = Literal["partial", "none", "complete"]
type Parametrisation = Literal["informed", "non_centred", "centred"]
type Gradient = Literal["auto", "jax", "numba"]
type Quadrature = Literal["auto", "grid", "dense"]

_POOLING = ("partial", "none", "complete")
_PARAMETRISATION = ("informed", "non_centred", "centred")
_GRADIENT = ("auto", "jax", "numba")
_QUADRATURE = ("auto", "grid", "dense")
_OUTCOMES = (("form",), ("form", "sector"))

_ONLY = {
    "forms": ("index", "items", "participation"),
    "sectors": ("index", "items", "participation"),
    "outcomes": ("index", "participation"),
    "item": ("ordinal",),
    "sigma_varies": ("index",),
    "discrimination": ("items",),
    "thresholds_vary": ("items", "ordinal"),
}
"""Keys that mean something to some likelihoods only."""


@dataclass(frozen=True)
class Sampler:
    """How to sample.

    Parameters
    ----------
    chains, draws, tune : int
        Chains, and kept and tuning draws of each.
    cores : int or None
        Chains at a time; ``None``: as many as the machine has cores.
    random_seed : int
    gradient : {"auto", "jax", "numba"}
        How the density is computed. ``"auto"``: by kernels where the model has them, else compiled
        from its graph to JAX. ``"numba"`` compiles the graph for longer, most the first time that
        a machine meets a model of the kind, and its gradients of ``items`` are faster than JAX's.
    quadrature : {"auto", "grid", "dense"}
        How ``items`` integrates over citizens: on one grid for all, fast; or on nodes of each
        citizen's own, slow and for every case; ``"auto"`` takes the grid where it can.
    """

    chains: int = 4
    draws: int = 1000
    tune: int = 300
    cores: int | None = None
    random_seed: int = 2008
    gradient: Gradient = "auto"
    quadrature: Quadrature = "auto"


@dataclass(frozen=True)
class ModelSpec:
    """A model in words and numbers, before it meets a survey.

    Parameters
    ----------
    name : str
    likelihood : {"items", "index", "participation", "ordinal"}
    question : str
        What the model answers: the first comment of its file.
    forms, sectors : tuple of str or None
        Those of the codebook to use; ``None``: all.
    outcomes : ("form",) or ("form", "sector")
        Whether each form, or each form in each sector, is an outcome; of ``index`` and
        ``participation``.
    item : str or None
        The item whose answers are modelled; of ``ordinal``.
    drivers, vary_by_country : "all", "none" or tuple of str
        Drivers in the model, and those whose association varies by country.
    pooling : {"partial", "none", "complete"}
        Of the countries.
    sigma_varies : bool
        Whether each country has residual SDs and correlations of its own; of ``index``.
    thresholds_vary : bool
        Whether thresholds differ between countries; of ``items`` and ``ordinal``.
    discrimination : bool
        Whether items go with the propensity more or less closely, each by a factor of its own; of
        ``items``, in forms that have three or more.
    parametrisation : {"informed", "non_centred", "centred"}
        Of the country effects; changes the speed, not the posterior.
    priors : mapping of str to Prior
    sampler : Sampler
    """

    name: str
    likelihood: str
    question: str = ""
    forms: tuple[str, ...] | None = None
    sectors: tuple[str, ...] | None = None
    outcomes: tuple[str, ...] = ("form",)
    item: str | None = None
    drivers: Literal["all", "none"] | tuple[str, ...] = "all"
    vary_by_country: Literal["all", "none"] | tuple[str, ...] = "all"
    pooling: Pooling = "partial"
    sigma_varies: bool = False
    thresholds_vary: bool = True
    discrimination: bool = False
    parametrisation: Parametrisation = "informed"
    priors: Mapping[str, Prior] = field(default_factory=dict)
    sampler: Sampler = field(default_factory=Sampler)

    def __repr__(self) -> str:
        lines = [f"ModelSpec {self.name!r}: {self.question}"]
        for key, value in spec_content(self).items():
            if isinstance(value, Mapping):
                lines += [f"  {key}: " + ", ".join(f"{k} = {v}" for k, v in value.items())]
            elif key not in ("name", "question"):
                lines += [f"  {key} = {value}"]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


def load_model(source: str | os.PathLike[str] | Mapping[str, Any] | ModelSpec) -> ModelSpec:
    """Read a model file.

    Parameters
    ----------
    source : str, path, mapping or ModelSpec
        The name of a model in ``models/``, the path of a TOML file, the content of one, or a
        specification.

    Returns
    -------
    ModelSpec
        Checked for everything that can be checked without a survey.

    Raises
    ------
    SpecError
        If there is no such model, or it has an unknown key, a prior that cannot be read or does
        not fit its parameter, or a value out of range.

    Examples
    --------
    >>> load_model("index").pooling
    'partial'
    """
    if isinstance(source, ModelSpec):  # may be made by hand: checked like a file
        source = spec_content(source)
    if isinstance(source, Mapping):
        return _parse(StrictTable(source, "model", SpecError), question="")
    if not isinstance(source, str | os.PathLike):
        raise make_error(
            SpecError,
            "load_model",
            f"{source!r} cannot be read as a model",
            remedy="Give a name, a path, a mapping or a ModelSpec.",
        )
    text = os.fspath(source)
    if Path(text).suffix == ".toml":
        path = Path(text)
    else:
        shipped = _model_files()
        if text not in shipped:
            raise make_error(
                SpecError,
                "load_model",
                f"unknown model {text!r}",
                value=text,
                available=shipped,
                remedy="A file of your own needs the ending .toml.",
            )
        path = shipped[text]
    content, written = read_toml(path, "load_model", SpecError)
    return _parse(StrictTable(content, path.name, SpecError), question=_first_comment(written))


def list_models() -> dict[str, str]:
    """List the models that come with the package.

    Returns
    -------
    dict of str to str
        Name to the question that the model answers.

    Raises
    ------
    SpecError
        If the package has lost its model files.
    """
    return {name: load_model(name).question for name in _model_files()}


def spec_content(spec: ModelSpec) -> dict[str, Any]:
    """Give the specification as TOML content, which ``load_model`` reads back."""
    content: dict[str, Any] = {
        f.name: list(value) if isinstance(value := getattr(spec, f.name), tuple) else value
        for f in fields(spec)
        if f.name not in ("priors", "sampler")
        and getattr(spec, f.name) is not None
        and (
            spec.likelihood in _ONLY.get(f.name, (spec.likelihood,))
            or getattr(spec, f.name) != f.default
        )
    }
    content["priors"] = {name: str(prior) for name, prior in spec.priors.items()}
    content["sampler"] = {k: v for k, v in vars(spec.sampler).items() if v is not None}
    return content


def spec_digest(spec: ModelSpec) -> str:
    """Digest of everything that sets the posterior or its draws, 64 hexadecimal digits."""
    text = json.dumps(spec_content(spec), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def choose_item(spec: ModelSpec, item: str | None) -> ModelSpec:
    """Give the specification with another item, if one is given; ``ordinal`` alone takes one."""
    if item is None:
        return spec
    if spec.likelihood not in _ONLY["item"]:
        raise make_error(
            SpecError,
            f"model {spec.name!r}",
            f"it is no model of a single item, and item = {item!r} was given",
            remedy="Leave the item out, or fit 'ordinal', which explains one.",
        )
    return load_model(spec_content(spec) | {"item": item})


def override_sampler(spec: ModelSpec, **given: Any) -> ModelSpec:
    """Give the specification with those sampler settings replaced that are not ``None``."""
    content = {k: v for k, v in vars(spec.sampler).items() if v is not None}
    content |= {key: value for key, value in given.items() if value is not None}
    table = StrictTable(content, "fit_model", SpecError)
    return replace(spec, sampler=_parse_sampler(table))


def _model_files() -> dict[str, Path]:
    """Model files of the installed package or, in a checkout, of its ``models/`` folder."""
    package = Path(str(files("bayes_coprod")))
    for folder in (package / "_models", package.parent / "models"):
        if folder.is_dir():
            return {path.stem: path for path in sorted(folder.glob("*.toml"))}
    raise make_error(
        SpecError,
        "load_model",
        f"the package at {package} has no model files",
        remedy="Install it again.",
    )


def _first_comment(text: str) -> str:
    """Return the comment at the head of the file, up to the first empty line."""
    lines = []
    for line in text.splitlines():
        body = line.removeprefix("#").strip()
        if not line.startswith("#") or not body:
            break
        lines.append(body)
    return " ".join(lines)


def _parse(table: StrictTable, question: str) -> ModelSpec:
    likelihood = table.choice("likelihood", tuple(PRIORS))
    for key, likelihoods in _ONLY.items():
        if key in table.content and likelihood not in likelihoods:
            raise make_error(
                SpecError,
                table.place,
                f"{key} does not apply to likelihood = {likelihood!r}",
                remedy=f"Leave it out; it belongs to {', '.join(likelihoods)}.",
            )
    outcomes = table.texts("outcomes", ("form",))
    if outcomes not in _OUTCOMES:
        raise make_error(
            SpecError,
            table.place,
            f"outcomes = {list(outcomes)} is not usable",
            available=[list(o) for o in _OUTCOMES],
        )
    spec = ModelSpec(
        name=table.text("name"),
        likelihood=likelihood,
        question=table.text("question", question),
        forms=table.texts("forms", None),
        sectors=table.texts("sectors", None),
        outcomes=outcomes,
        item=table.text("item", None),
        drivers=_all_or_list(table, "drivers"),
        vary_by_country=_all_or_list(table, "vary_by_country"),
        pooling=table.choice("pooling", _POOLING, "partial"),
        sigma_varies=table.flag("sigma_varies", False),
        thresholds_vary=table.flag("thresholds_vary", True),
        discrimination=table.flag("discrimination", False),
        parametrisation=table.choice("parametrisation", _PARAMETRISATION, "informed"),
        priors=parse_priors(table.table("priors", {}), likelihood),
        sampler=_parse_sampler(table.table("sampler", {})),
    )
    table.finish()
    if likelihood != "items" and spec.sampler.quadrature != "auto":
        raise make_error(
            SpecError,
            table.place,
            f"quadrature does not apply to likelihood = {likelihood!r}",
            remedy="Leave it out; it belongs to items.",
        )
    return spec


def _all_or_list(table: StrictTable, key: str) -> Any:
    value = table.take(key, (str, list, tuple), "all", '"all", "none" or a list of drivers')
    if isinstance(value, str):
        if value not in ("all", "none"):
            raise make_error(
                SpecError,
                table.place,
                f"{key} = {value!r} is not usable",
                value=value,
                available=("all", "none"),
                remedy="One driver by itself is a list too.",
            )
        return value
    return tuple(str(name) for name in value)


def _parse_sampler(table: StrictTable) -> Sampler:
    default = Sampler()
    sampler = Sampler(
        chains=table.whole("chains", default.chains, 1),
        draws=table.whole("draws", default.draws, 4),
        tune=table.whole("tune", default.tune, 1),
        cores=table.whole("cores", None, 1),
        random_seed=table.whole("random_seed", default.random_seed, 0),
        gradient=table.choice("gradient", _GRADIENT, default.gradient),
        quadrature=table.choice("quadrature", _QUADRATURE, default.quadrature),
    )
    table.finish()
    return sampler
