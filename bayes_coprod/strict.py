"""TOML read strictly: the right types, no key that nobody asked for."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any

from bayes_coprod.errors import CoprodError, make_error

type Scalar = str | int | float


class StrictTable:
    """One table of a TOML file, emptied key by key; what is left at the end is refused.

    Parameters
    ----------
    content : mapping
        The table.
    place : str
        File and table, as messages name them.
    error : type
        The child of ``CoprodError`` to raise.
    """

    def __init__(self, content: object, place: str, error: type[CoprodError]) -> None:
        if not isinstance(content, Mapping):
            raise make_error(error, place, f"expected a table, found {content!r}")
        self.content: dict[str, Any] = dict(content)
        self.place = place
        self.error = error
        self.known: list[str] = []

    def take(self, key: str, kinds: tuple[type, ...], default: Any, expected: str) -> Any:
        """Take one value out of the table, or the default where it is absent."""
        self.known.append(key)
        if key not in self.content:
            if default is ...:
                raise make_error(
                    self.error, self.place, f"{key!r} is missing", remedy=f"Give {expected}."
                )
            return default
        value = self.content.pop(key)
        # bool is an int to Python, but not to whoever wrote the file
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise make_error(
                self.error,
                self.place,
                f"{key} = {value!r} is not usable",
                remedy=f"Give {expected}.",
            )
        return value

    def text(self, key: str, default: Any = ...) -> Any:
        """Take a string."""
        return self.take(key, (str,), default, "a string in quotes")

    def flag(self, key: str, default: bool) -> bool:
        """Take true or false."""
        return bool(self.take(key, (bool,), default, "true or false"))

    def whole(self, key: str, default: Any, least: int) -> Any:
        """Take a whole number of at least `least`."""
        expected = f"a whole number of at least {least}"
        value = self.take(key, (int, Integral), default, expected)
        if value is not None and value < least:
            raise make_error(
                self.error, self.place, f"{key} = {value} is too small", remedy=f"Give {expected}."
            )
        return value if value is None else int(value)

    def number(self, key: str, default: Any = ...) -> Any:
        """Take a number."""
        value = self.take(key, (int, float), default, "a number")
        return float(value) if value is not None else None

    def scalars(self, key: str, default: Any = ...) -> tuple[Scalar, ...]:
        """Take a list of strings and numbers."""
        values = self.take(key, (list, tuple), default, "a list of strings or numbers")
        for value in values:
            if not isinstance(value, str | int | float) or isinstance(value, bool):
                raise make_error(
                    self.error,
                    self.place,
                    f"{key} contains {value!r}",
                    remedy="Only strings and numbers may stand there.",
                )
        return tuple(values)

    def texts(self, key: str, default: Any = ...) -> Any:
        """Take a list of strings."""
        values = self.take(key, (list, tuple), default, "a list of strings")
        if values is None:
            return None
        if not all(isinstance(value, str) for value in values):
            raise make_error(
                self.error,
                self.place,
                f"{key} = {list(values)!r} is not usable",
                remedy="Give a list of strings.",
            )
        return tuple(values)

    def choice(self, key: str, choices: tuple[str, ...], default: Any = ...) -> Any:
        """Take one of the given strings."""
        value = self.text(key, default)
        if value is not None and value not in choices:
            raise make_error(
                self.error,
                self.place,
                f"unknown {key} {value!r}",
                value=value,
                available=choices,
            )
        return value

    def table(self, key: str, default: Any = ...) -> StrictTable:
        """Take a table within this one."""
        content = self.take(key, (Mapping,), default, f"a table [{key}]")
        return StrictTable(content, f"{self.place} [{key}]", self.error)

    def tables(self, key: str) -> dict[str, StrictTable]:
        """Take all tables ``[key.*]``, by name; none is fine."""
        content = self.take(key, (Mapping,), {}, f"tables [{key}.NAME]")
        return {
            name: StrictTable(inner, f"{self.place} [{key}.{name}]", self.error)
            for name, inner in content.items()
        }

    def finish(self) -> None:
        """Refuse what was not taken."""
        for key in self.content:
            raise make_error(
                self.error,
                self.place,
                f"unknown key {key!r}",
                value=key,
                available=sorted(self.known),
            )
