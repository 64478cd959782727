"""``python -m bayes_coprod`` is the ``bayes-coprod`` command."""

from bayes_coprod.cli import main

if __name__ == "__main__":
    main()
