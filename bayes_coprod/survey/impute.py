"""Multiple imputation: several completed copies of a survey, each gap filled from what is known."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral

import numpy as np
import pandas as pd

from bayes_coprod import names
from bayes_coprod.errors import CoprodError, SpecError, SurveyError, make_error
from bayes_coprod.survey.entries import Driver
from bayes_coprod.survey.read import Imputed, Survey, check_is_survey, choose_drivers

DEFAULT_SEED, _DEFAULT_ITERATIONS = 2008, 5
_LEAST = 2
"""Data sets: between one there is no spread."""
_CLASSES = 10
"""Into how many classes of equal size a numeric driver's values are cut at most."""
_ROUNDS = 100
_TREES = {
    "boosting": "gbdt",
    "num_iterations": _ROUNDS,
    "learning_rate": 0.1,
    "num_leaves": 4,
    "min_data_in_leaf": 20,
    "min_data_per_group": 20,
    "feature_fraction_bynode": 1.0,
    # half of the citizens, drawn once for all rounds: what differs between two halves has the
    # variance of a bootstrap, so the data sets differ by what the trees could not know either
    "bagging_fraction": 0.5,
    "bagging_freq": _ROUNDS,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
"""Settings of LightGBM: many small steps by trees of four leaves."""


def impute(
    survey: Survey,
    *,
    m: int = 5,
    drivers: Sequence[str] | None = None,
    iterations: int = _DEFAULT_ITERATIONS,
    random_seed: int = DEFAULT_SEED,
) -> tuple[Survey, ...]:
    """Fill in missing drivers several times over, each time as they might have been.

    Parameters
    ----------
    survey : Survey
        With gaps in its drivers.
    m : int
        Completed data sets, 2 or more; ``check_fit`` says whether they were enough.
    drivers : sequence of str, optional
        Those to fill in, such as the drivers that a model uses; all of the codebook otherwise.
        The others keep their gaps, and help to predict where they are known.
    iterations : int
        How often each driver is filled in anew from the others.
    random_seed : int
        The same seed gives the same data sets.

    Returns
    -------
    tuple of Survey
        `m` completed surveys for :func:`fit_model`; ``imputed`` says how much of each driver was
        filled in. Values that were given stay, and those filled in are values that somebody
        gave. Items stay as they are: the models need no answer to each.

    Raises
    ------
    SurveyError
        If no driver is missing, nobody has a driver, all have the same, nobody in a country has
        it, since nothing there says what it would be, or `drivers` names one that the codebook
        lacks.
    SpecError
        If `m`, `iterations` or `random_seed` is out of range.
    CoprodError
        If miceforest is not installed.

    Notes
    -----
    Chained equations: each driver in turn is predicted by boosted trees from all other drivers,
    the items, the mean answer of each form, country and weight, and drawn from the predicted
    probabilities of its values; those of a numeric driver are drawn by tenths, and within a tenth
    a citizen's. It is right if gaps are random given all these.

    References
    ----------
    .. [1] van Buuren (2018), Flexible Imputation of Missing Data, 2nd ed., section 4.5.
    .. [2] Wilson (2024), miceforest 6, https://github.com/AnotherSamWilson/miceforest.
    """
    _check_arguments(survey, m, iterations, random_seed)
    chosen = choose_drivers(survey, drivers, "impute")
    gaps = _gaps(survey, chosen)
    _require_miceforest()
    filled = [
        _complete(survey, gaps, iterations, np.random.RandomState(np.random.MT19937(seed)))
        for seed in np.random.SeedSequence(random_seed).spawn(m)
    ]
    asked = f"m={m}, random_seed={random_seed}"
    if drivers is not None:
        asked += f", drivers={chosen}"
    if iterations != _DEFAULT_ITERATIONS:
        asked += f", iterations={iterations}"
    # the command has no word for iterations
    in_shell = survey.command.startswith("run ") and iterations == _DEFAULT_ITERATIONS
    command = f"{survey.command} --impute {m}"
    if random_seed != DEFAULT_SEED:
        command += f" --seed {random_seed}"
    filled_now = {driver.name: _share(survey, missing) for driver, missing in gaps}
    return tuple(
        replace(
            survey,
            data=data,
            origin=f"impute(bc.{survey.origin}, {asked})[{k}]",
            command=command if in_shell else "",
            imputed={**survey.imputed, **filled_now},
        )
        for k, data in enumerate(filled)
    )


type _Gaps = list[tuple[Driver, np.ndarray]]
"""Drivers with gaps, fewest first, and where they are, (citizen,)."""


def _check_arguments(survey: object, m: object, iterations: object, random_seed: object) -> None:
    check_is_survey(survey, "impute")
    for argument, value, least in (
        ("m", m, _LEAST),
        ("iterations", iterations, 1),
        ("random_seed", random_seed, 0),
    ):
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            why = " Between one data set there is no spread." if argument == "m" else ""
            raise make_error(
                SpecError,
                "impute",
                f"{argument} = {value!r} is no whole number from {least} on",
                remedy=f"Give {argument} as {least} or more.{why}",
            )


def _gaps(survey: Survey, drivers: Sequence[str]) -> _Gaps:
    """Find the drivers' gaps and refuse those that nothing could fill."""
    data = survey.data
    gaps: _Gaps = []
    for driver in survey.codebook.drivers:
        missing = data[driver.name].isna().to_numpy()
        if driver.name not in drivers or not missing.any():
            continue
        place = f"impute, driver {driver.name!r}"
        n_values = data[driver.name].nunique()
        if n_values < 2:
            said = "nobody has a value" if n_values == 0 else "all who have a value have the same"
            raise make_error(
                SurveyError, place, said, remedy="Leave the driver out of the codebook."
            )
        by_country = pd.Series(missing).groupby(data[names.COUNTRY].to_numpy()).all()
        never = [str(country) for country in survey.countries if by_country[country]]
        if never:
            raise make_error(
                SurveyError,
                place,
                f"nobody in {', '.join(never)} has a value, so nothing says what it is there",
                remedy="Name the drivers to fill in, drivers=[...], without it; or leave it out of "
                "the codebook, or leave out the country.",
            )
        gaps.append((driver, missing))
    if not gaps:
        raise make_error(
            SurveyError,
            "impute",
            "there is nothing to impute: none of the drivers is missing",
            remedy="Fit the survey as it is.",
        )
    return sorted(gaps, key=lambda gap: int(gap[1].sum()))


def _share(survey: Survey, missing: np.ndarray) -> Imputed:
    by_country = pd.Series(missing).groupby(survey.data[names.COUNTRY].to_numpy(), observed=True)
    there = by_country.mean()
    return Imputed(float(missing.mean()), str(there.idxmax()), float(there.max()))


def _require_miceforest() -> None:
    try:
        import miceforest  # noqa: F401
    except ImportError as cause:
        raise make_error(
            CoprodError,
            "impute",
            f"miceforest cannot be imported ({cause})",
            remedy="Install miceforest, or the package with its extra 'impute'.",
        ) from cause


def _complete(
    survey: Survey, gaps: _Gaps, iterations: int, random: np.random.RandomState
) -> pd.DataFrame:
    """One completed copy of a survey's data."""
    data = survey.data.copy(deep=False)
    known = {driver.name: _numbers(data[driver.name]) for driver in survey.codebook.drivers}
    # begin with anybody's value
    filled = dict(known)
    for driver, missing in gaps:
        given = known[driver.name][~missing]
        filled[driver.name] = known[driver.name].copy()
        filled[driver.name][missing] = random.choice(given, missing.sum())
    rest = _predictors(survey)
    for _ in range(iterations):
        for driver, missing in gaps:
            others = {name: values for name, values in filled.items() if name != driver.name}
            frame = _frame(survey, others, rest)
            drawn = _draw(frame, known[driver.name], missing, random)
            filled[driver.name][missing] = drawn
    for driver, _ in gaps:
        values, dtype = filled[driver.name], data[driver.name].dtype
        data[driver.name] = (
            pd.Categorical.from_codes(values.astype(np.int64), dtype=dtype)
            if isinstance(dtype, pd.CategoricalDtype)
            else values
        )
    return data


def _numbers(column: pd.Series) -> np.ndarray:
    """Values, or positions of categories, (citizen,); NaN where missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy(dtype=float)
        return np.where(codes < 0, np.nan, codes)
    return column.to_numpy(dtype=float, copy=True)


def _predictors(survey: Survey) -> dict[str, np.ndarray]:
    """Items, mean answer of each form, and weight, (citizen,) each; NaN where missing."""
    book = survey.codebook
    columns: dict[str, np.ndarray] = {}
    scores: dict[str, list[np.ndarray]] = {}
    for item in book.items:
        answer = _numbers(survey.data[item.name])
        columns[f"item {item.name}"] = answer
        scores.setdefault(item.form, []).append(answer / max(1, len(item.levels) - 1))
    for form, of_form in scores.items():
        stacked = np.stack(of_form)  # (item, citizen)
        has = ~np.isnan(stacked)
        total = np.where(has, stacked, 0).sum(axis=0)
        n = has.sum(axis=0)
        # trees with a few leaves find what many items say together only in their mean
        columns[f"form {form}"] = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    if book.weight is not None:
        columns["weight"] = survey.data[names.WEIGHT].to_numpy(dtype=float)
    return columns


def _frame(
    survey: Survey, drivers: Mapping[str, np.ndarray], rest: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """What predicts a driver, under neutral names: LightGBM refuses some that a codebook has."""
    nominal = {d.name for d in survey.codebook.drivers if d.kind == "categorical"}
    columns: list[object] = [survey.data[names.COUNTRY].cat.codes.astype("category").array]
    columns += [pd.Categorical(v) if name in nominal else v for name, v in drivers.items()]
    columns += rest.values()
    return pd.DataFrame({f"x{i}": column for i, column in enumerate(columns)})


def _draw(
    frame: pd.DataFrame, known: np.ndarray, missing: np.ndarray, random: np.random.RandomState
) -> np.ndarray:
    """Draw a driver's missing values, (missing,), given its known ones and the frame.

    miceforest fills in one driver at a time: several at once it draws side by side, each from the
    others' last values, and two that are missing together come out unrelated.
    """
    import miceforest

    given = known[~missing]
    classes, of_value = _classes(given)
    position = np.full(len(known), -1)
    position[~missing] = of_value
    frame = frame.assign(y=pd.Categorical.from_codes(position, range(classes)))
    # a last row that misses everything: miceforest counts the rows in the smallest integers that
    # hold the last missing one, and would take others for it
    frame = frame.reindex(range(len(frame) + 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that some values are rare
        kernel = miceforest.ImputationKernel(
            frame,
            variable_schema=["y"],
            # from predicted probabilities; matching by the predictions of trees for the citizens
            # that they were grown on makes citizens of a kind too much alike
            mean_match_strategy="fast",
            save_all_iterations_data=False,
            random_state=random,
        )
        kernel.mice(1, **_TREES)
        drawn = kernel.complete_data()["y"].cat.codes.to_numpy()[:-1][missing]
    values = np.empty(len(drawn))
    for label in np.unique(drawn):
        own = drawn == label
        values[own] = random.choice(given[of_value == label], own.sum())
    return values


def _classes(given: np.ndarray) -> tuple[int, np.ndarray]:
    """Number of classes, and the class of each value; few different values are each their own."""
    distinct, of_value = np.unique(given, return_inverse=True)
    if len(distinct) > _CLASSES:
        cuts = np.unique(np.quantile(given, np.linspace(0, 1, _CLASSES + 1)[1:-1]))
        # a cut that is the smallest value would leave an empty class below it
        of_value = np.unique(np.searchsorted(cuts, given, side="right"), return_inverse=True)[1]
    return int(of_value.max()) + 1, of_value
