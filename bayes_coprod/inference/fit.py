"""A fit: the draws and all that is needed to ask them new questions, in memory and on disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from bayes_coprod import names
from bayes_coprod.errors import FitFileError, SpecError, make_error
from bayes_coprod.files import written_whole
from bayes_coprod.model.build import build_model, log_density_at
from bayes_coprod.model.pilot import Pilot, read_pilot
from bayes_coprod.model.spec import ModelSpec, load_model, spec_content, spec_digest
from bayes_coprod.survey.codebook import codebook_content, load_codebook
from bayes_coprod.survey.entries import Codebook

FORMAT = "bayes_coprod fit"
FORMAT_VERSION = 2
IMPUTATIONS = "imputations"
"""Group of a pooled fit's tree that holds what belongs to one completed data set each."""
_HDF5 = b"\x89HDF\r\n\x1a\n"
"""How a file of netCDF 4 begins."""
_TOLERANCE = 1e-9
"""Relative difference of a log density at which a loaded fit is no longer the saved one."""


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model.

    Parameters
    ----------
    spec : ModelSpec
        With the sampler settings that were used.
    codebook : Codebook
    design : xarray.Dataset
        The data as the model saw them.
    tree : xarray.DataTree
        ``posterior`` and ``sample_stats`` for ArviZ; ``pilot``, where there was one; ``proof``,
        one draw in the model's own variables with its log density.

    Notes
    -----
    A fit of several completed data sets pools their draws: chains follow one another, the
    coordinate ``imputation`` says of which data set each is, ``design["x"]`` has a leading dim
    ``imputation``, and pilots and proofs stand in ``imputations/1`` and so on.
    """

    spec: ModelSpec
    codebook: Codebook
    design: xr.Dataset
    tree: xr.DataTree

    @property
    def posterior(self) -> xr.Dataset:
        """The named quantities' draws, dims (chain, draw, ...)."""
        return self.tree["posterior"].to_dataset()

    @property
    def countries(self) -> list[str]:
        """Countries in the fit."""
        return [str(name) for name in self.design[names.COUNTRY].values]

    @property
    def digest(self) -> str:
        """Digest of data, model, settings and proof; what was drawn from a fit has it in attrs."""
        known = [str(self.design.attrs.get("digest")), spec_digest(self.spec)]
        if "proof" in self.tree.children:
            known.append(float(self.tree["proof"].attrs["log_density"]).hex())
        return hashlib.sha256(" ".join(known).encode()).hexdigest()

    @property
    def parts(self) -> tuple[Fit, ...]:
        """Fits of one completed data set each, with their own chains; else the fit itself."""
        return _split(self) if IMPUTATIONS in self.tree.children else (self,)

    @property
    def pilot(self) -> Pilot | None:
        """The pilot's outcome, where there was one; of a pooled fit each part has its own."""
        if "pilot" not in self.tree.children:
            return None
        return read_pilot(self.tree["pilot"].to_dataset())

    def __repr__(self) -> str:
        sizes = self.tree["posterior"].sizes
        seconds = self.tree["posterior"].attrs["sampling_time"]
        m = self.design.sizes.get(names.IMPUTATION, 0)
        pooled = f", {sizes[names.CHAIN] // m} for each of {m} completed data sets" if m else ""
        return "\n".join(
            [
                f"Fit of model {self.spec.name!r} to {self.design.attrs['survey']}",
                f"  {self.design.sizes[names.CITIZEN]:,} citizens in {len(self.countries)} "
                f"countries; {int(self.design['without_driver'].sum()):,} left out for want of "
                f"a driver, {int(self.design['without_outcome'].sum()):,} of answers",
                f"  {sizes[names.CHAIN]} chains of {sizes[names.DRAW]:,} draws{pooled} in "
                f"{seconds:.0f} s, random_seed {self.spec.sampler.random_seed}",
                f"  posterior: {', '.join(map(str, self.tree['posterior'].data_vars))}",
            ]
        )

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


def _split(fit: Fit) -> tuple[Fit, ...]:
    """A pooled fit's parts: data, chains, pilot and proof of one completed data set each."""
    of_chain = fit.posterior[names.IMPUTATION].values
    parts = []
    for k, label in enumerate(fit.design[names.IMPUTATION].values):
        own = fit.tree[f"{IMPUTATIONS}/{label}"]
        chains = {names.CHAIN: np.flatnonzero(of_chain == label)}
        groups = {
            name: group.to_dataset().isel(chains).drop_vars(names.IMPUTATION)
            for name, group in fit.tree.children.items()
            if name != IMPUTATIONS
        }
        groups["posterior"] = groups["posterior"].assign_attrs(own.attrs)
        groups |= {name: group.to_dataset() for name, group in own.children.items()}
        parts.append(
            Fit(
                spec_of_part(fit.spec, k),
                fit.codebook,
                fit.design.isel({names.IMPUTATION: k}, drop=True),
                xr.DataTree.from_dict(groups),
            )
        )
    return tuple(parts)


def spec_of_part(spec: ModelSpec, k: int) -> ModelSpec:
    """The specification of a pooled fit's part `k`, counted from 0: the seed counts up."""
    sampler = replace(spec.sampler, random_seed=spec.sampler.random_seed + k)
    return replace(spec, sampler=sampler)


def thin_fit(fit: Fit, draws: int) -> Fit:
    """Keep so many draws of each chain, evenly spaced.

    Parameters
    ----------
    fit : Fit
    draws : int
        1 or more.

    Returns
    -------
    Fit
        Without the sampler's statistics, which are of all draws; the same fit if it has no more.
    """
    n = fit.posterior.sizes[names.DRAW]
    if n <= draws:
        return fit
    at = np.linspace(0, n - 1, draws).round().astype(int)
    tree = fit.tree.copy()
    posterior = fit.posterior.isel({names.DRAW: at})
    tree["posterior"] = xr.DataTree(posterior.assign_coords({names.DRAW: np.arange(draws)}))
    for group in ("sample_stats", "log_likelihood", "cell_log_likelihood"):
        if group in tree.children:
            del tree[group]
    return Fit(fit.spec, fit.codebook, fit.design, tree)


def check_is_fit(fit: object, place: str) -> None:
    """Refuse what is no fit where a function begins with one."""
    if isinstance(fit, Fit):
        return
    if isinstance(fit, str | os.PathLike):
        remedy = "Load the file first: load_fit(path)."
    elif isinstance(fit, xr.DataArray | xr.Dataset | xr.DataTree):
        remedy = "Give the fit itself; where a function takes a quantity of it, that goes into of=."
    else:
        remedy = "Give what fit_model or load_fit returned."
    raise make_error(
        SpecError, place, f"takes a fit, and this is a {type(fit).__name__}", remedy=remedy
    )


def check_is_of(fit: Fit, digest: str | None, place: str, what: str) -> None:
    """Refuse what was computed from another fit.

    Parameters
    ----------
    fit : Fit
    digest : str or None
        Of the fit that it was computed from; None where that is not known, and nothing is refused.
    place : str
        Function that the message names.
    what : str
        What was given, such as ``what stands in of=``.

    Raises
    ------
    SpecError
        If `fit` is none, or another.
    """
    check_is_fit(fit, place)
    if digest is not None and digest != fit.digest:
        raise make_error(
            SpecError,
            place,
            f"{what} is of another fit",
            remedy=f"Compute it from the fit that {place} is given.",
        )


def save_fit(fit: Fit, path: str | os.PathLike[str]) -> Path:
    """Write a fit to a netCDF file, whole or not at all.

    Parameters
    ----------
    fit : Fit
    path : str or path
        Usually ends with ``.nc``; a file that is there is replaced once the new one is complete.

    Returns
    -------
    pathlib.Path
        Where it was written.

    Raises
    ------
    CoprodError
        If the folder does not exist.
    """
    check_is_fit(fit, "save_fit")
    tree = fit.tree.copy()
    tree["design"] = xr.DataTree(fit.design)
    tree.attrs = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "spec": json.dumps(spec_content(fit.spec)),
        "codebook": json.dumps(codebook_content(fit.codebook)),
    }
    tree.attrs["digest"] = _digest(tree)
    with written_whole(path, "save_fit") as temporary:
        tree.to_netcdf(temporary, engine="h5netcdf")
    return Path(path)


def load_fit(path: str | os.PathLike[str]) -> Fit:
    """Read a fit, rebuild its model, and let it prove that it is the one that was saved.

    Parameters
    ----------
    path : str or path
        From :func:`save_fit`.

    Returns
    -------
    Fit
        As it was saved.

    Raises
    ------
    FitFileError
        If the file is missing, truncated, of another format or altered, or if the model of this
        version gives another log density at the stored draw than the one that was fitted.
    """
    file = Path(path)
    tree = _read_tree(file)
    attrs = tree.attrs
    if attrs.get("format") != FORMAT:
        raise make_error(
            FitFileError,
            "load_fit",
            f"{file.name} is not a fit of this package",
            remedy="Give a file that save_fit wrote.",
        )
    if attrs.get("format_version") != FORMAT_VERSION:
        raise make_error(
            FitFileError,
            "load_fit",
            f"{file.name} has format version {attrs.get('format_version')}, "
            f"this package reads version {FORMAT_VERSION}",
            remedy="Use the version of the package that wrote it, or fit again.",
        )
    if attrs.get("digest") != _digest(tree):
        raise make_error(
            FitFileError,
            "load_fit",
            f"{file.name} was altered after it was saved: its digest does not match",
            remedy="Fit again, or find the original file.",
        )
    spec = load_model(json.loads(attrs["spec"]))
    codebook = load_codebook(json.loads(attrs["codebook"]))
    design = tree["design"].to_dataset()
    del tree["design"]
    tree.attrs = {}
    fit = Fit(spec, codebook, design, tree)
    for part in fit.parts:
        _prove(part, file)
    return fit


def _prove(fit: Fit, file: Path) -> None:
    """Recompute the stored draw's log density with the model as this version builds it."""
    proof = fit.tree["proof"].to_dataset()
    model = build_model(fit.spec, fit.codebook, fit.design, fit.pilot)
    draw = {str(name): proof[name].values for name in proof.data_vars}
    then = float(proof.attrs["log_density"])
    if set(draw) != {variable.name for variable in model.free_RVs}:
        difference = f"this version's model has other variables than {', '.join(draw)}"
    else:
        now = log_density_at(model, draw)
        if abs(now - then) <= _TOLERANCE * max(1.0, abs(then)):
            return
        difference = f"the stored draw had log density {then:.6f}, now it has {now:.6f}"
    raise make_error(
        FitFileError,
        "load_fit",
        f"{file.name} fails its proof: {difference}",
        remedy=f"It was fitted with bayes_coprod "
        f"{fit.tree['posterior'].attrs['bayes_coprod_version']}; use that, or fit again.",
    )


def _read_tree(file: Path) -> xr.DataTree:
    if not file.is_file():
        raise make_error(FitFileError, "load_fit", f"there is no file {file}")
    try:
        with file.open("rb") as opened:
            is_netcdf = opened.read(len(_HDF5)) == _HDF5
        if is_netcdf:
            with xr.open_datatree(file, engine="h5netcdf") as tree:
                return tree.load()
    except (OSError, ValueError, KeyError, RuntimeError) as cause:
        raise make_error(
            FitFileError,
            "load_fit",
            f"{file.name} cannot be read as netCDF ({cause})",
            remedy="It is truncated or not a fit; save it again.",
        ) from cause
    raise make_error(
        FitFileError,
        "load_fit",
        f"{file.name} is no netCDF file",
        remedy="Give a file that save_fit wrote; a survey is read by read_survey.",
    )


def _digest(tree: xr.DataTree) -> str:
    """Digest of every array of the tree, and of all that is said of them."""
    digest = hashlib.sha256()
    digest.update(_said({k: v for k, v in tree.attrs.items() if k != "digest"}))
    for node in sorted(tree.subtree, key=lambda node: node.path):
        dataset = node.to_dataset(inherit=False)
        if node is not tree:
            digest.update(_said(dataset.attrs))
        for name in sorted(map(str, dataset.variables)):
            values = dataset[name].values
            digest.update(f"{node.path}/{name}{values.shape}".encode())
            digest.update(_said(dataset[name].attrs))
            text = values.dtype.kind in "OUST"
            digest.update(
                "\0".join(map(str, values.ravel())).encode()
                if text
                else np.ascontiguousarray(values).tobytes()
            )
    return digest.hexdigest()


def _said(attrs: Mapping[Any, Any]) -> bytes:
    """Attributes as bytes, the same before and after they were a file's."""
    plain = {str(name): np.asarray(value).tolist() for name, value in attrs.items()}
    return json.dumps(plain, sort_keys=True).encode()
