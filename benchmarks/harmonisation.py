"""How far countries lie apart without any fault, beside the limits of `check_survey`.

    python benchmarks/harmonisation.py [--seeds 50] [SURVEY CODEBOOK]

Counts the flags on synthetic surveys whose countries are coded alike. Of a survey with its codebook
it prints how often a country lies beyond the limits and how often two countries lie further apart
than the limit for a single pair, among those who answered enough.
"""

from __future__ import annotations

import argparse

import numpy as np

import bayes_coprod as bc
from bayes_coprod.survey.harmonisation import check, shares


def count_flags(seeds: int) -> None:
    """Flags of the whole check, which should not be any."""
    flags = sum(
        finding.check == check.CHECK and finding.status != "pass"
        for seed in range(seeds)
        for finding in bc.check_survey(bc.five_nations(random_seed=seed))
    )
    print(f"{seeds} synthetic surveys of five countries coded alike: {flags} flags")


def count_distances(survey: bc.Survey) -> None:
    """Comparisons beyond the limits of a real survey's entries with categories."""
    beyond = far = compared = paired = 0
    for entry in (*survey.codebook.items, *survey.codebook.drivers):
        if getattr(entry, "kind", "") == "numeric":
            continue
        at = check._Counted(entry, check._count(survey, entry), survey.countries)
        of_entry = [at.compare(c, at.enough) for c in at.enough]
        compared += len(of_entry)
        beyond += sum(one.distance > one.limit for one in of_entry)
        answered = at.counts[at.enough] / at.counts[at.enough].sum(axis=1, keepdims=True)
        first, second = np.triu_indices(len(answered), k=1)
        apart = abs(answered[first] - answered[second]).sum(axis=1) / 2
        paired += len(apart)
        far += int((apart > shares.FEW_DIFFERENT).sum())
    print(f"{survey.title}: {beyond} of {compared} comparisons beyond the distance allowed")
    print(f"{far} of {paired} pairs of countries further apart than {shares.FEW_DIFFERENT}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("survey", nargs="?")
    parser.add_argument("codebook", nargs="?")
    parser.add_argument("--seeds", type=int, default=50)
    arguments = parser.parse_args()
    count_flags(arguments.seeds)
    if arguments.survey:
        count_distances(bc.read_survey(arguments.survey, arguments.codebook))
