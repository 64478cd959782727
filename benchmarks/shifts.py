"""How often ``check_fit`` names an item whose thresholds are shifted in one country, or none are.

    python benchmarks/shifts.py [--surveys 40] [--sizes 0 1.2 2]

Simulated surveys of four countries with 250 citizens each, five items of one form and four of the
other with three answers, and two drivers; countries differ in their levels. The thresholds of one
item lie higher in one country, by each of the `sizes` in logits. Each survey is fitted with
``items``. Found is one in which the check names that item in that country; accused one in which it
names any other.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

import bayes_coprod as bc

COUNTRIES = ("Austria", "Belgium", "Cyprus", "Denmark")
CITIZENS = 250
FORMS = {f"a{k}": "alone" for k in range(5)} | {f"t{k}": "together" for k in range(4)}
PLANTED = "a1", "Belgium"


def make_survey(seed: int, size: float) -> bc.Survey:
    """A survey whose thresholds are shifted by `size` for one item in one country."""
    rng = np.random.default_rng([2008, seed])
    country = np.repeat(np.arange(len(COUNTRIES)), CITIZENS)
    n = len(country)
    frame = pd.DataFrame(
        {
            "country": np.array(COUNTRIES)[country],
            "age": rng.integers(18, 80, n),
            "female": rng.integers(0, 2, n),
        }
    )
    level = rng.normal(0, 0.4, size=(len(COUNTRIES), 2))
    propensity = rng.multivariate_normal([0, 0], [[1.0, 0.4], [0.4, 1.0]], n) + level[country]
    propensity += np.column_stack([0.015 * (frame["age"] - 50), 0.3 * frame["female"]])
    for name, form in FORMS.items():
        first = rng.normal(0.5 * (form == "together"), 0.8)
        moved = size * ((name == PLANTED[0]) & (frame["country"] == PLANTED[1]))
        latent = propensity[:, int(form == "together")] + rng.logistic(size=n) - moved
        frame[name] = (latent.to_numpy()[:, None] > first + np.array([0.0, 1.2])).sum(axis=1)
    return bc.read_survey(
        frame,
        {
            "survey": {"name": "Shifts", "forms": ["alone", "together"]},
            "country": {"column": "country"},
            "items": {
                name: {"form": form, "categories": [0, 1, 2]} for name, form in FORMS.items()
            },
            "drivers": {
                "age": {"kind": "numeric"},
                "female": {"kind": "binary", "yes": [1], "no": [0]},
            },
        },
    )


def named(survey: bc.Survey) -> tuple[bool, bool]:
    """Whether the check names what was planted, and whether it names anything else."""
    fit = bc.fit_model("items", survey, draws=400, progressbar=False)
    (finding,) = (f for f in bc.check_fit(fit) if f.check == "comparability")
    places = [place.split(" (")[0] for place in finding.where.split("; ")] if finding.where else []
    planted = f"{PLANTED[0]} in {PLANTED[1]}"
    return planted in places, any(place != planted for place in places)


def main() -> None:
    """Print the rates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--surveys", type=int, default=40, help="of each size")
    parser.add_argument("--sizes", type=float, nargs="+", default=[0.0, 1.2, 2.0], help="in logits")
    options = parser.parse_args()
    found, accused = dict.fromkeys(options.sizes, 0), dict.fromkeys(options.sizes, 0)
    for seed in range(options.surveys):
        for size in options.sizes:
            planted, other = named(make_survey(seed, size))
            found[size] += planted
            accused[size] += other
        by_size = (f"{s:g}: {found[s]} found, {accused[s]} accused" for s in options.sizes)
        print(f"of {seed + 1}: " + "; ".join(by_size), flush=True)


if __name__ == "__main__":
    main()
