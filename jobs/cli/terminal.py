"""The console of every command. What it prints is data: never markup, never control sequences."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from jobs.system.text import visible


class PlainConsole(Console):
    """A console that prints strings as they are, without markup, emoji codes or control characters.

    Lines are as long as they are: the terminal breaks them, and a path can be copied from them.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, soft_wrap=True, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)
