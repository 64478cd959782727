r"""Surveys with a known truth, drawn in plain numpy: an oracle apart from the models.

Every citizen has a propensity for each form; ordinal answers follow the graded-response model,

.. math::

    P(y_{ik} \le j) = \operatorname{logistic}(\kappa_{kj} + s_{kc} - \theta_{i f(k)}), \qquad
    \theta_i = b_{c0} + B_c x_i + \varepsilon_i, \quad \varepsilon_i \sim N(0, \Sigma).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr
from scipy.linalg import helmert
from scipy.special import expit, roots_hermite

from bayes_coprod import names
from bayes_coprod.errors import SurveyError, make_error
from bayes_coprod.survey.codebook import load_codebook
from bayes_coprod.survey.entries import Codebook, Driver
from bayes_coprod.survey.read import Survey, read_survey

_DEMO_SEED = 2008
_FIVE_NATIONS = {"CZ": 1003, "DK": 990, "FR": 958, "DE": 1000, "UK": 1000}


def simulate_survey(
    truth: xr.Dataset,
    citizens: pd.DataFrame,
    codebook: Codebook,
    *,
    missing: Mapping[str, float] | None = None,
    random_seed: int | np.random.Generator = 2008,
) -> Survey:
    """Draw every citizen's answers from a stated truth.

    Parameters
    ----------
    truth : xarray.Dataset
        ``beta`` (form, coefficient) and ``b`` (country, form, coefficient), per SD of a numeric or
        ordered driver, 0/1 step of a binary one, and zero-sum contrast of a categorical one;
        ``b_intercept`` (country, form), ``kappa`` (threshold), ``sigma`` (form) and, with two
        forms, ``rho``; logit scale. ``shift`` (item, country) may move an item's thresholds.
    citizens : pandas.DataFrame
        One row a citizen, with the file's columns for country, drivers, and weight and id where
        the codebook names them.
    codebook : Codebook
        Its items are the ones answered.
    missing : mapping of str to float, optional
        Item or driver name to the share of citizens whose answer is lost, at random.
    random_seed : int or numpy.random.Generator
        The same seed gives the same survey.

    Returns
    -------
    Survey
        With ``truth``, to which the means and SDs of the drivers are added
        (``column_mean``, ``column_sd``), since the coefficients are in their units.

    Raises
    ------
    SurveyError
        If `missing` names neither an item nor a driver, the citizens do not fit the codebook or
        miss a driver, or the truth lacks one of their countries or coefficients.
    """
    entries = {entry.name: entry for entry in codebook.entries}
    for name in missing or {}:
        if name not in entries:
            raise make_error(
                SurveyError,
                "simulate_survey",
                f"missing names {name!r}, which is neither an item nor a driver",
                value=name,
                available=entries,
            )
    rng = np.random.default_rng(random_seed)
    frame = citizens.reset_index(drop=True).copy()
    for item in codebook.items:
        frame[item.column] = item.categories[0]
    complete = read_survey(frame, codebook)
    truth = _fitting_truth(truth, complete)

    raw = _columns(complete.data, codebook.drivers)  # (citizen, coefficient)
    mean, sd = _centre_and_scale(raw, codebook.drivers)
    country = complete.data[names.COUNTRY].cat.codes.to_numpy()
    truth = truth.assign(column_mean=(names.COEFFICIENT, mean), column_sd=(names.COEFFICIENT, sd))

    x = (raw - mean) / sd
    # theta = b0[c] + B[c] x + eps, (citizen, form)
    theta = _linear_predictor(truth, x, country) + rng.multivariate_normal(
        np.zeros(truth.sizes[names.FORM]), _covariance(truth), size=len(x)
    )
    form_of = {form: i for i, form in enumerate(truth[names.FORM].values)}
    for item in codebook.items:
        thresholds = _thresholds(truth, item.name)[country]  # (citizen, threshold)
        # y = number of thresholds below the latent answer theta + logistic noise
        latent = theta[:, form_of[item.form]] + rng.logistic(size=len(x))
        answer = (latent[:, None] > thresholds).sum(axis=1)
        frame[item.column] = np.array(item.categories, dtype=object)[answer]
    for name, share in (missing or {}).items():
        lost = rng.random(len(frame)) < share
        column = entries[name].column
        frame[column] = frame[column].astype(object).where(~lost, None)
    return replace(read_survey(frame, codebook), truth=truth)


def five_nations(random_seed: int = _DEMO_SEED) -> Survey:
    """Draw the embedded survey: about 1,000 synthetic citizens in each of five countries.

    Built to the design of the 2008 study and to the signs of its published abstracts; none of its
    numbers is a finding of that study. A few per cent of answers are missing, most often on
    self-efficacy and consultation.

    Parameters
    ----------
    random_seed : int
        The same seed gives the same survey.

    Returns
    -------
    Survey
        With its ``truth``.

    References
    ----------
    .. [1] Bovaird, Van Ryzin, Loeffler & Parrado (2015), Journal of Social Policy 44(1), 1-23.

    Examples
    --------
    >>> five_nations().countries
    ('Czech Republic', 'Denmark', 'France', 'Germany', 'United Kingdom')
    """
    codebook = load_codebook("five_nations")
    rng = np.random.default_rng(random_seed)
    citizens = _five_nations_citizens(rng)
    missing = {item.name: 0.02 for item in codebook.items}
    missing |= {"education": 0.01, "performance": 0.015, "information": 0.01}
    missing |= {"self_efficacy": 0.03, "consultation": 0.04}
    survey = simulate_survey(
        _five_nations_truth(codebook, rng), citizens, codebook, missing=missing, random_seed=rng
    )
    return replace(
        survey,
        origin=f"five_nations(random_seed={random_seed})",
        command="demo" if random_seed == _DEMO_SEED else "",
    )


def true_index(survey: Survey) -> xr.DataArray:
    """Compute the expected index that the truth of a simulated survey implies.

    Parameters
    ----------
    survey : Survey
        From :func:`simulate_survey`.

    Returns
    -------
    xarray.DataArray
        dims (country, form), 0 to 100: the mean over citizens with all drivers known, the citizen
        deviation integrated by Gauss-Hermite quadrature.

    Raises
    ------
    SurveyError
        If the survey has no truth.
    """
    if survey.truth is None:
        raise make_error(
            SurveyError,
            "true_index",
            "the survey has no truth",
            remedy="Only simulated surveys have one.",
        )
    truth, codebook = survey.truth, survey.codebook
    raw = _columns(survey.data, codebook.drivers)
    known = ~np.isnan(raw).any(axis=1)
    country = survey.data[names.COUNTRY].cat.codes.to_numpy()[known]
    x = ((raw - truth["column_mean"].values) / truth["column_sd"].values)[known]
    theta = _linear_predictor(truth, x, country)
    node, weight = roots_hermite(31)
    node, weight = np.sqrt(2) * node, weight / np.sqrt(np.pi)

    forms = truth[names.FORM].values
    index = np.zeros((len(survey.countries), len(forms)))
    for f, form in enumerate(forms):
        items = [item for item in codebook.items if item.form == form]
        at = theta[:, f, None] + float(truth["sigma"][f]) * node  # (citizen, node)
        for item in items:
            kappa = _thresholds(truth, item.name)[country]  # (citizen, threshold)
            # E score = 100 mean_j P(y > j)
            above = np.mean([expit(at - kappa[:, [j]]) for j in range(kappa.shape[1])], axis=0)
            score = 100 * above @ weight
            index[:, f] += [score[country == c].mean() / len(items) for c in range(len(index))]
    return xr.DataArray(
        index,
        dims=(names.COUNTRY, names.FORM),
        coords={names.COUNTRY: list(survey.countries), names.FORM: forms},
        name="true_index",
        attrs={"units": "points of 100"},
    )


def _fitting_truth(truth: xr.Dataset, complete: Survey) -> xr.Dataset:
    """The truth for the survey's countries and coefficients, in their order."""
    drivers = complete.codebook.drivers
    for driver in drivers:
        if complete.data[driver.name].isna().any():
            raise make_error(
                SurveyError,
                "simulate_survey",
                f"citizens have no value of {driver.name!r}",
                remedy="Give them all one; `missing` loses some after the answers are drawn.",
            )
    wanted = {names.COUNTRY: list(complete.countries), names.COEFFICIENT: _labels(drivers)}
    for dim, labels in wanted.items():
        known = [str(label) for label in truth[dim].values]
        for label in labels:
            if label not in known:
                raise make_error(
                    SurveyError,
                    "simulate_survey",
                    f"the truth lacks the {dim} {label!r}",
                    value=label,
                    available=known,
                )
    return truth.sel(wanted)


def _labels(drivers: tuple[Driver, ...]) -> list[str]:
    """Names of the columns that drivers take."""
    return [
        label
        for driver in drivers
        for label in (
            [names.contrast_label(driver.name, j) for j in range(1, len(driver.levels))]
            if driver.kind == "categorical"
            else [driver.name]
        )
    ]


def _columns(data: pd.DataFrame, drivers: tuple[Driver, ...]) -> np.ndarray:
    """Drivers as numbers before centring, (citizen, coefficient), NaN where missing."""
    columns = [np.empty((len(data), 0))]
    for driver in drivers:
        if driver.kind in ("numeric", "binary"):
            columns.append(data[driver.name].to_numpy(dtype=float)[:, None])
            continue
        codes = data[driver.name].cat.codes.to_numpy()
        if driver.kind == "ordered":
            value = codes[:, None].astype(float)
        else:
            value = helmert(len(driver.levels)).T[codes] / np.sqrt(2)
        columns.append(np.where(codes[:, None] < 0, np.nan, value))
    return np.concatenate(columns, axis=1)


def _centre_and_scale(
    raw: np.ndarray, drivers: tuple[Driver, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each column, and its SD where a coefficient is per SD, else 1."""
    per_sd = [
        driver.kind in ("numeric", "ordered") for driver in drivers for _ in _labels((driver,))
    ]
    return raw.mean(axis=0), np.where(per_sd, raw.std(axis=0), 1.0)


def _linear_predictor(truth: xr.Dataset, x: np.ndarray, country: np.ndarray) -> np.ndarray:
    """Propensity without the citizen's own deviation, (citizen, form)."""
    b0 = truth["b_intercept"].transpose(names.COUNTRY, names.FORM).values
    b = truth["b"].transpose(names.COUNTRY, names.FORM, names.COEFFICIENT).values
    return b0[country] + np.einsum("np,nfp->nf", x, b[country])


def _covariance(truth: xr.Dataset) -> np.ndarray:
    sigma = truth["sigma"].values
    correlation = np.eye(len(sigma))
    if len(sigma) == 2:
        correlation[0, 1] = correlation[1, 0] = float(truth["rho"])
    return correlation * np.outer(sigma, sigma)


def _thresholds(truth: xr.Dataset, item: str) -> np.ndarray:
    """Thresholds of one item in each country, (country, threshold)."""
    labels = [t for t in truth[names.THRESHOLD].values if str(t).startswith(f"{item}: ")]
    kappa = truth["kappa"].sel({names.THRESHOLD: labels}).values
    if "shift" not in truth:
        return np.tile(kappa, (truth.sizes[names.COUNTRY], 1))
    return kappa + truth["shift"].sel({names.ITEM: item}).values[:, None]


def _five_nations_citizens(rng: np.random.Generator) -> pd.DataFrame:
    """Citizens with drivers; the mix of each driver differs a little between countries."""
    frames = []
    for code, n in _FIVE_NATIONS.items():

        def pick(values: list[str], shares: list[float], n: int = n) -> np.ndarray:
            return rng.choice(values, n, p=rng.dirichlet(200 * np.array(shares)))

        weight = rng.lognormal(0, 0.35, n)
        frames.append(
            pd.DataFrame(
                {
                    "id": [f"{code}-{i:04d}" for i in range(1, n + 1)],
                    "country": code,
                    "weight": (weight / weight.mean()).round(3),
                    "self_efficacy": pick(["none", "small", "some", "big"], [0.1, 0.3, 0.4, 0.2]),
                    "female": pick(["female", "male"], [0.52, 0.48]),
                    "age": np.round(18 + 72 * rng.beta(1.6, 2.0 + rng.normal(0, 0.1), n)),
                    "education": pick(["low", "medium", "high"], [0.3, 0.45, 0.25]),
                    "employed": pick(["yes", "no"], [0.56, 0.44]),
                    "urban": pick(["urban", "rural"], [0.65, 0.35]),
                    "performance": pick(
                        ["very bad", "bad", "good", "very good"], [0.12, 0.35, 0.43, 0.1]
                    ),
                    "information": pick(["never", "sometimes", "often"], [0.25, 0.5, 0.25]),
                    "consultation": pick(["never", "sometimes", "often"], [0.45, 0.42, 0.13]),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _five_nations_truth(codebook: Codebook, rng: np.random.Generator) -> xr.Dataset:
    """The stated truth; signs after the published abstracts, sizes assumed."""
    # per SD, 0/1 step or contrast: individual, collective
    slopes = {
        "self_efficacy": (0.22, 0.55),
        "female": (0.35, 0.03),
        "age": (0.25, 0.0),
        names.contrast_label("education", 1): (-0.10, -0.10),
        names.contrast_label("education", 2): (-0.10, -0.10),
        "employed": (-0.05, 0.0),
        "urban": (-0.05, -0.20),
        "performance": (-0.08, -0.08),
        "information": (0.08, 0.08),
        "consultation": (0.05, 0.20),
    }
    countries = list(codebook.country_labels.values())
    contrasts = helmert(len(countries))  # (contrast, country)
    beta = np.array(list(slopes.values())).T  # (form, coefficient)
    b = np.tile(beta, (len(countries), 1, 1))
    # zero-sum deviations: SD 0.25 and 0.3 in level, 0.1 in what self-efficacy goes with
    level = contrasts.T @ rng.normal(0, [0.25, 0.3], (len(countries) - 1, 2))
    b[:, :, 0] += contrasts.T @ rng.normal(0, 0.1, (len(countries) - 1, 2))

    middle = {  # midpoint of an item's two thresholds: the higher, the rarer
        "lock_home": -2.2, "watch_neighbours": -0.3, "report_crime": 0.2, "ask_police_advice": 1.5,
        "recycle": -2.0, "save_energy": -1.4, "travel_green": -0.3, "stop_litterers": 0.6,
        "eat_healthily": -1.5, "exercise": -0.4, "have_checkups": -0.6, "care_for_sick": -0.1,
        "group_safety": 2.9, "group_environment": 2.7, "group_health": 2.8,
    }  # fmt: skip
    kappa = {}
    for item in codebook.items:
        low, mid, high = item.levels
        half = 0.8 if item.form == "individual" else 0.7
        kappa[names.threshold_label(item.name, low, mid)] = middle[item.name] - half
        kappa[names.threshold_label(item.name, mid, high)] = middle[item.name] + half
    return xr.Dataset(
        {
            "beta": ((names.FORM, names.COEFFICIENT), beta),
            "b": ((names.COUNTRY, names.FORM, names.COEFFICIENT), b),
            "b_intercept": ((names.COUNTRY, names.FORM), level),
            "kappa": (names.THRESHOLD, list(kappa.values())),
            "sigma": (names.FORM, [0.8, 1.2]),
            "rho": 0.4,
        },
        coords={
            names.FORM: list(codebook.forms),
            names.COEFFICIENT: list(slopes),
            names.COUNTRY: countries,
            names.THRESHOLD: list(kappa),
        },
        attrs={"units": "logit"},
    )
