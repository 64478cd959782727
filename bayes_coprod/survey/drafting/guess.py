"""What a column may hold, guessed from its labels and its values: categories or numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import floor, log10

from bayes_coprod.strict import Scalar
from bayes_coprod.survey.drafting.profile import Answer, Profile, is_day, spelled
from bayes_coprod.survey.drafting.words import (
    OFF_SCALE,
    SCHOOLING,
    Meaning,
    find_scale,
    quoted,
    simplified,
    speaks_of,
)

MOST_CATEGORIES = 15
"""A driver with more would have an effect for each."""

MOST_ANSWERS = 7
"""Of an item."""

_BY_CODE = "guess: lowest first, as the codes go; turn the list round if it is not."
_SENTINEL = re.compile(r"9*[7-9]|9+6|7{2,}|8{2,}|6{2,}|5{2,}")
_DAY = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}\b.*")
_MOST_SENTINELS, _MOST_NEGATIVE = 4, 5
_FEW_WORDS = 3
"""How many values that are no numbers a column of numbers may hold."""


@dataclass(frozen=True)
class LeftOut:
    """A column that the draft does not use.

    Parameters
    ----------
    column, reason : str
    """

    column: str
    reason: str


@dataclass(frozen=True, eq=False)
class Categories:
    """A column of answers to choose from.

    Parameters
    ----------
    profile : Profile
    answers : tuple of Answer
        Lowest first, where there is an order.
    choices : tuple
        What the codebook writes for each of them.
    labels : mapping of str to str
        Choice to what reports call it, where the file calls two the same.
    missing : tuple
        What the codebook writes for values that mean no answer.
    meaning : Meaning or None
        What the words of the answers speak of.
    is_ordered : bool
    off_scale : str
        An answer that keeps the others from being ordered; empty if there is none.
    notes : tuple of str
        Comments on the answers; those to check begin with ``guess:``.
    order_notes : tuple of str
        Comments on their order.
    """

    profile: Profile
    answers: tuple[Answer, ...]
    choices: tuple[Scalar, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[Scalar, ...] = ()
    meaning: Meaning | None = None
    is_ordered: bool = False
    off_scale: str = ""
    notes: tuple[str, ...] = ()
    order_notes: tuple[str, ...] = ()

    @property
    def is_coded(self) -> bool:
        """Whether the file gives numbers and no words."""
        return not any(a.is_worded or a.number is None for a in self.answers)


@dataclass(frozen=True, eq=False)
class Numbers:
    """A column of numbers.

    Parameters
    ----------
    profile : Profile
    bounds : (int or float, int or float)
        That hold every number in the data.
    found : (float, float)
        The lowest and the highest in the data.
    codes : tuple of Answer
        The numbers, where they are few, whole and without words.
    missing : tuple
        What the codebook writes for values that mean no answer.
    is_scale : bool
        Whether they are steps from one labelled end to the other.
    notes : tuple of str
        Comments; those to check begin with ``guess:``.
    """

    profile: Profile
    bounds: tuple[Scalar, Scalar]
    found: tuple[float, float]
    codes: tuple[Answer, ...] = ()
    missing: tuple[Scalar, ...] = ()
    is_scale: bool = False
    notes: tuple[str, ...] = ()


def said(answer: Answer) -> str:
    """An answer's label, else its value."""
    return str(answer.value.label).strip() if answer.is_worded else answer.value.spelling


def guess_column(profile: Profile) -> Categories | Numbers | LeftOut:
    """Guess what a column holds."""
    if is_day(profile.column):
        return LeftOut(profile.column.name, "days or times")
    if len(profile.present) < 2:
        reason = "one answer from everybody" if profile.present else "no answers"
        return LeftOut(profile.column.name, reason)
    if profile.is_set_by_country:
        return LeftOut(profile.column.name, "one answer from everybody in a country")
    return _guess_numbers(profile) if profile.is_numeric else _guess_texts(profile)


def _guess_texts(profile: Profile) -> Categories | Numbers | LeftOut:
    words = [a for a in profile.present if a.number is None]
    n_numbers = len(profile.numbers)
    if n_numbers > MOST_CATEGORIES and len(words) <= _FEW_WORDS and not profile.column.value_labels:
        return _numbers(profile, find_sentinels(profile), words)
    if all(_DAY.fullmatch(answer.value.spelling) for answer in words):
        return LeftOut(profile.column.name, "days or times")
    return _categories(profile, [a for a in profile.answers if not a.is_missing])


def _guess_numbers(profile: Profile) -> Categories | Numbers | LeftOut:
    worded = [a for a in profile.answers if a.is_worded and not a.is_missing]
    bare = [a for a in profile.present if not a.is_worded]
    if not bare:
        return _categories(profile, worded)
    apart = find_sentinels(profile)
    bare = [answer for answer in bare if answer not in apart]
    if len(worded) >= 2 and not bare:
        return _categories(profile, worded, [a for a in apart if not a.is_worded])
    ends = [answer for answer in worded if answer not in apart]
    if not ends and len(bare) < 2:
        return LeftOut(profile.column.name, "one answer from everybody")
    if not ends and len(bare) == 2:
        return _categories(profile, bare, apart)
    if not ends or _is_scale(ends, bare) or _is_count(ends, bare):
        return _numbers(profile, apart)
    apart = [answer for answer in apart if not answer.is_worded]
    answers = [a for a in profile.answers if a in worded or a in bare]
    return _categories(profile, answers, apart, bare)


def as_answers(numbers: Numbers) -> Categories | None:
    """Numbers without words as the codes of answers, where there are few."""
    choices = [choice_for(code, numbers.profile.answers) for code in numbers.codes]
    if not choices or None in choices:
        return None
    return Categories(
        profile=numbers.profile,
        answers=numbers.codes,
        choices=tuple(choice for choice in choices if choice is not None),
        missing=numbers.missing,
        is_ordered=True,
        notes=numbers.notes,
        order_notes=(_BY_CODE,),
    )


def _is_scale(worded: Sequence[Answer], bare: Sequence[Answer]) -> bool:
    """Whether only the ends of a scale, or few of its steps, have words."""
    steps = [answer.number for answer in worded if answer.number is not None]
    numbers = [answer.number for answer in bare if answer.number is not None]
    between = (
        len(steps) == len(worded)
        and len(numbers) == len(bare)
        and all(min(steps) < number < max(steps) for number in numbers)
    )
    # a long list of words with a hole is a list
    return between and len(bare) >= len(worded) - 2


def _is_count(worded: Sequence[Answer], bare: Sequence[Answer]) -> bool:
    """Whether numbers are the rule and words the exception, as in 0 (none), 1, 2, ..."""
    if len(worded) <= 2:
        return len(bare) >= 3
    return len(bare) > len(worded) and len(bare) + len(worded) > MOST_CATEGORIES


def find_sentinels(profile: Profile) -> list[Answer]:
    """Find numbers that may mean no answer: 9, 99, -1 and the like, apart from all others."""
    numbers = profile.numbers
    if len(numbers) < 3:
        return []
    negative = [n for n in numbers if n < 0]
    # -3 to 3 is a scale, a long list of negative numbers a quantity
    if (
        negative
        and len(negative) <= _MOST_NEGATIVE
        and all(n.is_integer() for n in negative)
        and len(numbers) - len(negative) >= 2
        and not -numbers[-1] <= negative[0] < -1
    ):
        return [a for a in profile.present if a.number in negative]
    # of very many numbers the middle is not known
    top = numbers[-len(numbers) // 2 :] if profile.is_abridged else numbers
    count = {answer.number: answer.count for answer in profile.present}
    for n_apart in range(min(_MOST_SENTINELS, len(top) - 2), 0, -1):
        rest, apart = top[:-n_apart], top[-n_apart:]
        if not all(n.is_integer() and _SENTINEL.fullmatch(str(int(n))) for n in apart):
            continue
        usual = max(high - low for low, high in zip(rest, rest[1:], strict=False))
        gap = apart[0] - rest[-1]
        is_apart = gap >= max(2 * usual, 2 if apart[0] < 10 else 5)
        # the oldest citizen stands apart as well, but is one
        is_frequent = max(count[n] for n in apart) > 2 * count[rest[-1]]
        if is_apart and (apart[0] < 10 or is_frequent or apart[0] > 3 * max(rest[-1], 1)):
            return [a for a in profile.present if a.number in apart]
    return []


def _numbers(
    profile: Profile, apart: Sequence[Answer], words: Sequence[Answer] = ()
) -> Numbers | LeftOut:
    left = [a for a in profile.present if a.number is not None and a not in apart]
    # also those that nobody chose
    ends = [a for a in profile.answers if a.is_worded and not a.is_missing and a not in apart]
    inner = [a.number for a in (*left, *ends) if a.number is not None]
    low, high = min(inner), max(inner)
    if low == high:
        return LeftOut(profile.column.name, "one answer from everybody")
    notes = ["; ".join(f"{a.value.spelling}: {said(a)}" for a in ends)] if ends else []
    if apart:
        notes.append(_apart_note(apart))
    if words:
        notes.append(f"guess: {_listed(words)} means no answer, since it is no number.")
    is_few = len(left) <= MOST_ANSWERS and all(n.is_integer() for n in inner)
    is_scale = len(ends) >= 2
    return Numbers(
        profile=profile,
        bounds=(spelled(low), spelled(high)) if is_scale else _rounded_outward(low, high),
        found=(low, high),
        codes=tuple(left) if is_few and not ends and not words else (),
        missing=_missing(profile, [*apart, *words]),
        is_scale=is_scale,
        notes=tuple(notes),
    )


def _rounded_outward(low: float, high: float) -> tuple[Scalar, Scalar]:
    """Bounds in steps of 5 for a range of 20 to 199, of 50 for one ten times as wide, and so on."""
    step = Decimal(5) * Decimal(10) ** (floor(log10((high - low) / 2)) - 1)
    if low.is_integer() and high.is_integer():
        step = max(step, Decimal(1))
    first = (Decimal(repr(low)) / step).to_integral_value(ROUND_FLOOR) * step
    last = (Decimal(repr(high)) / step).to_integral_value(ROUND_CEILING) * step
    return spelled(float(first)), spelled(float(last))


def _categories(
    profile: Profile,
    answers: Sequence[Answer],
    apart: Sequence[Answer] = (),
    bare: Sequence[Answer] = (),
) -> Categories | LeftOut:
    name, column = profile.column.name, profile.column
    if profile.is_abridged or len(answers) > MOST_CATEGORIES:
        is_text = not column.value_labels and not profile.is_numeric
        many = f"more than {MOST_CATEGORIES} categories"
        return LeftOut(name, "free text" if is_text else many)
    is_sorted = bool(column.value_labels) or all(a.number is not None for a in answers)
    words = [said(answer) for answer in answers]
    scale = None if bare else find_scale(words, is_sorted=is_sorted)
    order_notes: tuple[str, ...] = ()
    answers = list(answers)
    if scale is not None and not is_sorted:
        ranks = dict(zip(answers, scale.ranks, strict=True))
        answers.sort(key=lambda answer: ranks[answer] or 0.0)
    elif scale is not None and scale.is_falling:
        answers.reverse()
        if len(answers) > 2:
            order_notes = (
                f"guess: turned round, lowest first; the file begins with {quoted(words[0])}.",
            )
    elif scale is None and len(answers) > 2 and not bare:
        order_notes = (_BY_CODE,)
    choices = [choice_for(answer, profile.answers) for answer in answers]
    if None in choices:
        return LeftOut(name, "values that cannot be told apart by label or code")
    off_scale = next((word for word in words if OFF_SCALE.match(simplified(word))), "")
    has_order = column.measure == "ordinal" or speaks_of(SCHOOLING, column.label, name)
    notes = [_apart_note(apart)] if apart else []
    if bare:
        who = f"{sum(answer.count for answer in bare):,} citizens"
        notes.append(f"guess: {_listed(bare)} has no label in the file ({who}): a category?")
    return Categories(
        profile=profile,
        answers=tuple(answers),
        choices=tuple(choice for choice in choices if choice is not None),
        labels=_told_apart(answers, choices),
        missing=_missing(profile, apart),
        meaning=None if scale is None else scale.meaning,
        is_ordered=scale is not None or (is_sorted and has_order and not off_scale and not bare),
        off_scale=off_scale,
        notes=tuple(notes),
        order_notes=order_notes,
    )


def choice_for(answer: Answer, among: Sequence[Answer]) -> Scalar | None:
    """What a codebook writes for a value: its label, else its code; ``None``: neither is clear."""
    for choice in _spellings(answer):
        meant = [other for other in among if other.value.is_meant_by(choice)]
        if meant == [answer]:
            return choice
        by_label = all(other.is_missing and other.value.has_label(choice) for other in meant)
        # values that all mean no answer need not be told apart
        if meant and answer.is_missing and by_label:
            return choice
    return None


def _spellings(answer: Answer) -> list[Scalar]:
    choices: list[Scalar] = [said(answer)] if answer.is_worded else []
    if answer.number is not None and str(spelled(answer.number)) == answer.value.spelling:
        choices.append(spelled(answer.number))
    return [*choices, answer.value.spelling]


def _missing(profile: Profile, apart: Sequence[Answer]) -> tuple[Scalar, ...]:
    """What the codebook writes for no answer; what the file declares needs no mention."""
    unsaid = [a for a in profile.answers if a.is_missing and not a.value.is_declared]
    choices = [
        choice_for(answer, profile.answers)
        for answer in (*unsaid, *apart)
        if answer.value.spelling != ""
    ]
    return tuple(dict.fromkeys(choice for choice in choices if choice is not None))


def _told_apart(answers: Sequence[Answer], choices: Sequence[Scalar | None]) -> dict[str, str]:
    """Names of values that the file calls the same."""
    words = [said(answer) for answer in answers]
    count = Counter(words)
    labels = {}
    for answer, word, choice in zip(answers, words, choices, strict=True):
        if choice != word and answer.is_worded:
            name = f"{word} ({answer.value.spelling})"
            while count[name]:
                name = f"{name}'"
            labels[str(choice)] = name
    return labels


def _listed(answers: Sequence[Answer]) -> str:
    shown = [a.value.spelling + (f" ({said(a)})" if a.is_worded else "") for a in answers[:5]]
    return ", ".join(shown) + (", ..." if len(answers) > 5 else "")


def _apart_note(apart: Sequence[Answer]) -> str:
    verb = "means" if len(apart) == 1 else "mean"
    return f"guess: {_listed(apart)} {verb} no answer, far from the others."
