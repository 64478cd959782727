"""The command line."""

from bayes_coprod.cli import answers
from bayes_coprod.cli.commands import app, main

answers.add_commands(app)

__all__ = ["main"]
