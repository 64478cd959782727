"""What answers and questions say, as far as a draft can tell from their words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

type Meaning = Literal["doing", "view", "amount", "band"]


def _words(*patterns: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)")


_NO_ANSWER = re.compile(
    r"\W*(?:\d+\W+)?(?:(?:other|item|system|user|code) )?(?:"
    r"refus(?:ed|al|es|é|e)?(?: to answer)?|(?:do ?n[o']?t|dont|does ?n[o']?t) know|dk|d/k|na|n/?a|"
    r"nap|nav|n\.a\.?|d\.k\.?|(?:can(?:'?t|not|no|not)) (?:choose|say)|no (?:answer|response|data)|"
    r"not? (?:applicable|asked|available|answered|stated|ascertained|reported|known)|"
    r"missing(?: (?:value|data|answer)s?)?|unknown|"
    r"weiss (?:es )?nicht|keine (?:angabe|antwort)|k\. ?a\.|trifft nicht zu|verweigert|"
    r"ne sai[st] pas|nsp|sans réponse|pas de réponse|non concerné|no sabe|no contesta|ns/nc|"
    r"no procede|non sa|non risponde|não sabe|não responde|ved ikke|vet (?:ej|inte|ikke)|"
    r"vil ikke svare|uoplyst|ubesvart|weet niet|geen antwoord|nevím?|odmítl[ao]?|neuvedeno|"
    r"bez odpovědi|nie wiem|odmowa|trudno powiedzieć|ei osaa sanoa"
    r")(?:\W*|(?:\s*[-/,;:.(–—]|\s+(?:or|and|oder|und|ou|et|o|y|og|och|to)\b).*)",
    re.DOTALL,
)
"""Whole labels, which may go on after a mark: "Not asked" and "NA, refused", not "NATO"."""

OFF_SCALE = _words("other", "none of", "not possible", "something else", "andere", "autre", "otro")
BACKGROUND = _words(
    r"gender", r"sex", r"females?", r"males?", r"woman", r"man", r"educat\w*", r"degrees?",
    r"isced", r"qualification", r"marital", r"married", r"partner", r"children", r"household",
    r"born", r"birth", r"citizen of", r"citizenship", r"nationality", r"religio\w*", r"minority",
    r"denomination", r"ethnic", r"immigra\w*", r"employ\w*", r"unemployed", r"paid work",
    r"main activity", r"retired", r"student", r"income", r"urban", r"rural", r"domicile",
    r"region", r"disab\w*", r"illness\w*", r"disease", r"victim", r"age", r"eligible", r"mother",
    r"father", r"health care",
)  # fmt: skip
"""Who a citizen is, and not what a citizen does."""

VIEW = _words(
    r"trust\w*", r"satisf\w*", r"dissatisf\w*", r"confiden\w*", r"important\w*", r"importance",
    r"agree", r"opinion", r"feel\w*", r"believe\w*", r"interest(?:ed)?", r"worr\w*", r"concern\w*",
    r"how (?:good|bad|much|likely|safe|happy)", r"likely", r"should", r"think", r"support for",
    r"attitude\w*", r"(?:government|authorit\w+|politicians|officials|state) (?:inform|consult|"
    r"listen|does|do|is|are|car|tr)\w*", r"willing\w*", r"would", r"ready",
)  # fmt: skip
"""What a citizen thinks, or what others do."""

SCHOOLING = _words(r"educat\w*", r"school\w*", r"isced", r"eisced", r"degree", r"qualification\w*")
AGE = _words(
    r"age", r"agea", r"alter", r"âge", r"edad", r"età", r"alder", r"ålder", r"věk", r"wiek"
)
BIRTH_YEAR = _words(
    r"year (?:of|respondent was) birth", r"birth ?year", r"year born", r"yrbrn\w*", r"birthyr",
    r"geburtsjahr", r"année de naissance", r"fødselsår", r"födelseår", r"yob",
)  # fmt: skip
WOMAN = _words(r"female", r"woman", r"women", r"frau", r"weiblich", r"femme", r"mujer", r"kvinde")

_NEVER = r"never|nie|niemals|jamais|nunca|aldrig|aldri|nooit|nikdy|nigdy|mai"
_SCALES: tuple[tuple[Meaning, tuple[tuple[str, float], ...]], ...] = (
    (
        "doing",
        (
            (r"(?:not|have not|has not) done.*never|would never|never (?:belong|done|did).*", 0),
            (r"might|could|may do", 1),
            (r"distant past|used to|earlier|before|in the past but", 2),
            (r".*\bdone.* (?:past|last) (?:year|12 months|twelve months)", 3),
            (r"belongs?|members?", 3),
            (r"active\w*", 4),
            (r"not (?:mentioned|selected|chosen|marked|ticked|checked)|unchecked", 0),
            (r"mentioned|selected|chosen|marked|ticked|checked", 1),
        ),
    ),
    (
        "doing",
        (
            (r"^(?:no|nein|non|nej|nei|nee|não|ne)", 0),
            (r"^(?:yes|ja|oui|s[ií]|ano|tak|sim)", 1),
        ),
    ),
    (
        "doing",
        (
            (r"almost never|hardly ever|practically never|nearly never|less often", 10),
            (_NEVER, 0),
            (r"rarely|seldom|selten|rarement|raramente|sjældent|sjelden|sällan|zřídka|zelden", 20),
            (r"less than (?:once|every).* year", 15),
            (r"(?:several|few|2|two).* year", 30),
            (r"year(?:ly)?|annual(?:ly)?", 25),
            (r"(?:six|6) months", 32),
            (r"(?:three|3) months", 36),
            (r"less than (?:once|every).* month", 38),
            (r"less than (?:once|every).* week", 55),
            (r"(?:several|few|2|two|three|2-3).* month", 48),
            (r"month(?:ly)?", 42),
            (r"(?:several|few|most|more|2|two|three).* week", 68),
            (r"week(?:ly)?", 60),
            (r"occasional(?:ly)?|sometimes|now and then|manchmal|gelegentlich|parfois", 45),
            (r"a veces|någon gång|noen ganger|nogle gange|sommetider|někdy|soms|czasami", 45),
            (
                r"most of the time|very often|very frequently|usually|mostly|sehr oft|très souvent",
                75,
            ),
            (r"often|frequent(?:ly)?|regular(?:ly)?|oft|häufig|souvent|ofte|ofta|často|vaak", 70),
            (r"always|daily|every day|all (?:of )?the time|immer|täglich|toujours|siempre", 90),
            (r"altid|alltid|vždy|altijd|zawsze", 90),
            (r"once", 22),
        ),
    ),
    (
        "amount",
        (
            (r"none|nothing|not at all|no difference", 0),
            (r"very (?:little|few|low|small)|hardly any", 1),
            (r"too (?:little|few|low|small)", 2),
            (r"about right|just right|right amount", 3),
            (r"too (?:much|many|high|big)", 4),
            (r"very (?:much|many|high|large|big)|(?:a )?great deal|completely|entirely", 5),
            (r"little|few|low|lower|small|minor|below", 2),
            (r"some|medium|middle|moderate|average|partly|mid", 3),
            (r"much|many|lots?|big|large|high|higher|upper|great|major|above", 4),
        ),
    ),
)
"""Lists of answers that belong together, each with its rank; the first pattern that fits counts."""

_LISTS = tuple(
    (meaning, tuple((_words(pattern), rank) for pattern, rank in patterns))
    for meaning, patterns in _SCALES
)

_POSITIVE = _words(
    r"agree", r"satisfied", r"likely", r"good", r"important", r"favou?r", r"in favou?r", r"trust",
    r"confident", r"confidence", r"interested", r"easy", r"safe", r"happy", r"healthy", r"close",
    r"proud", r"support", r"positive", r"better", r"definitely", r"probably", r"excellent",
    r"concerned", r"worried", r"true", r"like me", r"certain", r"willing", r"useful",
)  # fmt: skip
_NEGATIVE = _words(
    r"disagree", r"dissatisfied", r"unsatisfied", r"unlikely", r"bad", r"poor", r"unimportant",
    r"against", r"opposed?", r"distrust", r"difficult", r"unsafe", r"unhappy", r"unhealthy",
    r"negative", r"worse", r"false", r"unwilling", r"useless",
)  # fmt: skip
_STRONG = _words(
    r"very", r"strongly", r"completely", r"totally", r"fully", r"extremely", r"definitely",
    r"entirely", r"excellent", r"a great deal", r"much",
)  # fmt: skip
_WEAK = _words(
    r"somewhat", r"tend", r"rather", r"fairly", r"quite", r"slightly", r"a bit", r"a little",
    r"partly", r"moderately", r"mildly",
)  # fmt: skip
_NEUTRAL = _words(r"neither", r"nor", r"neutral", r"undecided", r"mixed", r"in the middle", r"fair")


@dataclass(frozen=True)
class Scale:
    """Answers between which their words tell an order.

    Parameters
    ----------
    meaning : {"doing", "view", "amount", "band"}
        What they speak of.
    ranks : tuple of float or None
        (answer,), low to high; ``None`` where the words do not say.
    """

    meaning: Meaning
    ranks: tuple[float | None, ...]

    @property
    def known(self) -> tuple[float, ...]:
        """The ranks that the words tell."""
        return tuple(rank for rank in self.ranks if rank is not None)

    @property
    def is_rising(self) -> bool:
        """Whether no answer ranks below the one before."""
        return all(low <= high for low, high in pairwise(self.known))

    @property
    def is_falling(self) -> bool:
        """Whether no answer ranks above the one before."""
        return all(low >= high for low, high in pairwise(self.known))


def simplified(text: str) -> str:
    """The words without capitals, odd blanks and typographers' apostrophes."""
    return " ".join(text.casefold().replace("’", "'").split())


def shortened(text: str, longest: int) -> str:
    """The text on one line, cut where it is longer."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= longest else plain[: longest - 1].rstrip() + "…"


def quoted(text: str) -> str:
    """An answer as a comment quotes it."""
    return f'"{shortened(text, 40)}"'


def is_no_answer(text: str) -> bool:
    """Whether a label says that there is no answer."""
    return _NO_ANSWER.fullmatch(simplified(text)) is not None


def speaks_of(topic: re.Pattern[str], *texts: str) -> bool:
    """Whether one of the texts has words of the topic."""
    return any(topic.search(simplified(text).replace("_", " ")) for text in texts)


def find_scale(answers: Sequence[str], *, is_sorted: bool) -> Scale | None:
    """Find the order that the words of a list of answers tell.

    Parameters
    ----------
    answers : sequence of str
    is_sorted : bool
        Whether they stand in an order, one way or the other, as codes put them; words in the
        middle need not be understood then.
    """
    texts = [simplified(answer) for answer in answers]
    if any(map(OFF_SCALE.match, texts)):
        return None
    for scale in _scales_of(texts):
        ends = scale.ranks[0], scale.ranks[-1]
        if is_sorted:
            told = None not in ends and ends[0] != ends[1]
            if told and (scale.is_rising or scale.is_falling):
                return scale
        elif len(set(scale.known)) == len(texts):
            return scale
    return None


def _scales_of(texts: Sequence[str]) -> list[Scale]:
    by_list = [
        Scale(meaning, tuple(_rank_in(patterns, text) for text in texts))
        for meaning, patterns in _LISTS
    ]
    view = Scale("view", tuple(map(_view_rank, texts)))
    band = Scale("band", tuple(map(_band_rank, texts)))
    # half an order of bands is none: numbers stand in many a label
    return [*by_list, view, *([band] if None not in band.ranks else [])]


def _rank_in(patterns: Sequence[tuple[re.Pattern[str], float]], text: str) -> float | None:
    return next((rank for pattern, rank in patterns if pattern.search(text)), None)


def _view_rank(text: str) -> float | None:
    """Direction times strength; "not very" is half a step below, "not at all" the far end."""
    if _NEUTRAL.search(text):
        return 0.0
    sign = -1.0 if _NEGATIVE.search(text) else 1.0 if _POSITIVE.search(text) else None
    if sign is None:
        return None
    if re.search(r"\b(?:not|no)\b.*\bat all\b", text):
        return -3.0 * sign
    if re.search(r"\b(?:not (?:very|particularly|so|too|that)|hardly)\b", text):
        return -0.5 * sign
    if re.search(r"\b(?:not|no)\b", text):
        return (-2.0 if _STRONG.search(text) else -1.0) * sign
    return sign * (2.0 if _STRONG.search(text) else 0.5 if _WEAK.search(text) else 1.0)


def _band_rank(text: str) -> float | None:
    """The number with which a band begins, as in "18-25", "under 18" and "80+"."""
    found = re.match(
        r"(?P<below>(?:less than|under|below|up to|<)\s*)?"
        r"(?:(?:more than|over|above|>|age|from)\s*)?[€$£]?\s*"
        r"(?P<number>\d{1,3}(?:[, .]\d{3})+|\d+(?:\.\d+)?)(?!\w)",
        text,
    )
    if found is None:
        return None
    number = float(re.sub(r"[, ]|\.(?=\d{3})", "", found["number"]))
    return number - 0.5 if found["below"] else number
