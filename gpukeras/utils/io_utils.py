"""Asking the user before a file is replaced."""

from __future__ import annotations


def ask_to_proceed_with_overwrite(filepath: str) -> bool:
    """Asks on the terminal whether `filepath` may be replaced: True for y, False for n."""
    question = f"'{filepath}' already exists. Overwrite it? [y/n] "
    while (answer := input(question).strip().lower()) not in ("y", "n", "yes", "no"):
        question = "Please answer y or n: "
    return answer.startswith("y")
