"""What a function does not take is refused in words."""

from dataclasses import replace

import pytest

import bayes_coprod as bc

CALLS = {
    "quantity for fit": (lambda fit: bc.country_contrasts(bc.gap(fit)), "this is a DataArray.*of="),
    "ranks of a quantity": (lambda fit: bc.country_ranks(bc.gap(fit)), "this is a DataArray"),
    "name for quantity": (lambda fit: bc.country_contrasts(fit, of="gap"), "no quantity that each"),
    "several quantities": (
        lambda fit: bc.country_contrasts(fit, of=bc.driver_effects),
        "no quantity that each",
    ),
    "no country": (
        lambda fit: bc.country_ranks(fit, of=fit.posterior["rho"]),
        "no quantity that each",
    ),
    "gap of a gap": (lambda fit: bc.gap(fit, of=bc.gap(fit)), "no levels of forms"),
    "path to gap of": (
        lambda fit: bc.gap("five.nc", of=bc.country_levels(fit)),
        "gap: takes a fit, and this is a str",
    ),
    "function for effects": (
        lambda fit: bc.driver_contrast(fit, of=bc.driver_effects),
        "not what driver_effects returned",
    ),
    "one of the effects": (
        lambda fit: bc.driver_contrast(fit, of=bc.driver_effects(fit)["pooled"]),
        "not what driver_effects returned",
    ),
    "path to check": (lambda _: bc.check_fit("five.nc"), "this is a str.*load_fit"),
    "path to gap": (lambda _: bc.gap("five.nc"), "this is a str.*load_fit"),
    "path to effects": (lambda _: bc.driver_effects("five.nc"), "this is a str.*load_fit"),
    "path to propensities": (lambda _: bc.citizen_propensities("five.nc"), "load_fit"),
    "path to report": (lambda _: bc.write_report("five.nc", "report.html"), "load_fit"),
    "nothing to save": (lambda _: bc.save_fit(None, "five.nc"), "NoneType.*fit_model"),
    "path to survey": (lambda _: bc.fit_model("items", "survey.csv"), "this is a str.*read_survey"),
    "path to check a survey": (lambda _: bc.check_survey("s.csv"), "this is a str.*read_survey"),
    "path to describe": (lambda _: bc.describe("s.csv"), "describe: takes a survey.*read_survey"),
    "path to plot": (lambda _: bc.plot_coverage("s.csv"), "this is a str.*read_survey"),
    "path to impute": (lambda _: bc.impute("s.csv"), "impute: takes a survey.*read_survey"),
    "surveys to check": (lambda _: bc.check_survey([None]), "a list.*one survey of several"),
    "fit to summarise": (lambda fit: bc.summarise(fit), "this is a Fit"),
    "tree to summarise": (lambda fit: bc.summarise(fit.tree["posterior"]), "this is a DataTree"),
}


@pytest.mark.parametrize("case", CALLS)
def test_refused(case, fit):
    call, said = CALLS[case]
    with pytest.raises(bc.CoprodError, match=said):
        call(fit)


OF_ANOTHER = {
    "gap": lambda fit, other: bc.gap(fit, of=bc.country_levels(other)),
    "contrasts": lambda fit, other: bc.country_contrasts(fit, of=bc.gap(other)),
    "ranks": lambda fit, other: bc.country_ranks(
        fit, of=bc.driver_effects(other)["by_country"].sel(form="alone")
    ),
    "contrast of drivers": lambda fit, other: bc.driver_contrast(fit, of=bc.driver_effects(other)),
}


@pytest.mark.parametrize("others", ["model", "data"])
@pytest.mark.parametrize("case", OF_ANOTHER)
def test_a_quantity_of_another_fit_is_refused(case, others, random_fit, small):
    fit = random_fit(small)
    if others == "model":
        other = random_fit(small, vary_by_country="none")
    else:
        other = random_fit(replace(small, data=small.data.iloc[1:]))
    OF_ANOTHER[case](fit, fit)
    with pytest.raises(bc.CoprodError, match="is of another fit. Compute it from the fit that"):
        OF_ANOTHER[case](fit, other)
