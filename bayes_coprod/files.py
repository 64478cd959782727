"""Files: read with clear refusals, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bayes_coprod.errors import CoprodError, make_error


def read_toml(path: Path, place: str, error: type[CoprodError]) -> tuple[dict[str, Any], str]:
    """Content and text of a TOML file; a file that cannot be read is refused by name."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # the same, without a byte order mark
    except FileNotFoundError as cause:
        raise make_error(error, place, f"there is no file {path}") from cause
    except UnicodeDecodeError as cause:
        raise make_error(
            error, place, f"{path} is not UTF-8 text", remedy="Save it as UTF-8."
        ) from cause
    except OSError as cause:
        raise make_error(error, place, f"{path} cannot be read ({cause.strerror})") from cause
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as cause:
        raise make_error(error, place, f"{path} is not valid TOML: {cause}") from cause


@contextmanager
def written_whole(path: str | os.PathLike[str], place: str) -> Iterator[Path]:
    """Give a temporary file beside `path` that takes its place once the block has ended well.

    Parameters
    ----------
    path : str or path
        What is to be written; a file that is there is replaced at the end.
    place : str
        Function that messages name.

    Yields
    ------
    pathlib.Path
        Where to write.

    Raises
    ------
    CoprodError
        If the folder is missing or cannot be written to.
    """
    target = Path(path).resolve()  # a link stays a link
    if target.exists() and not target.is_file():
        raise make_error(
            CoprodError, place, f"{target} is no ordinary file", remedy="Give the path of a file."
        )
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as cause:
        raise make_error(
            CoprodError,
            place,
            f"cannot write to the folder {target.parent} ({cause.strerror})",
            remedy="Make it first, or choose another.",
        ) from cause
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        mask = os.umask(0)  # the only way to ask for it
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
