"""A page without a browser: the view runs in `AppTest`, and is asked for what it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from dashboard.widgets import page, words

APP = Path(__file__).parents[3] / "dashboard" / "app.py"
WIDGETS = (
    "selectbox",
    "multiselect",
    "button_group",
    "select_slider",
    "slider",
    "number_input",
    "text_input",
    "text_area",
)
TEXTS = ("title", "header", "markdown", "caption", "info", "warning", "error")


@dataclass
class Page:
    """A page as it was drawn last. No run of its script may end in a traceback."""

    test: AppTest

    @classmethod
    def open(cls, view: str, **parameters: str) -> "Page":
        """The page at an address of the store in GANATOMY_STORE."""
        test = AppTest.from_file(APP, default_timeout=60)
        # AppTest cannot go to another page of st.navigation; the page's hash in the request can.
        test._page_hash = calc_hash("" if view == "home" else view)
        for name, value in parameters.items():
            test.query_params[name] = value
        return cls(test).run()

    def run(self) -> "Page":
        self.test.run()
        assert [error.message for error in self.test.exception] == []
        assert [error for error in self.errors if words.sentence(page.UNEXPECTED) in error] == []
        return self

    @property
    def address(self) -> dict[str, str]:
        """The parameters in the address."""
        return {name: str(value) for name, value in dict(self.test.query_params).items()}

    @property
    def text(self) -> str:
        """Everything that the page says, one piece per line."""
        return "\n".join(str(each.value) for kind in TEXTS for each in getattr(self.test, kind))

    @property
    def warnings(self) -> str:
        return "\n".join(str(each.value) for each in self.test.warning)

    @property
    def errors(self) -> list[str]:
        return [str(each.value) for each in self.test.error]

    def widget(self, label: str) -> Any:
        """The input with this label."""
        found = [each for kind in WIDGETS for each in getattr(self.test, kind) if each.label == label]
        assert found, f"no input {label!r}"
        return found[0]

    def choose(self, label: str, value: object | Sequence[object]) -> "Page":
        """Set an input, as a person does, and draw the page again."""
        self.widget(label).set_value(value)
        return self.run()

    def click(self, label: str) -> "Page":
        """Press the button with this label."""
        next(each for each in self.test.button if each.label == label).click()
        return self.run()
