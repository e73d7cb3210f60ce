"""What a user is asked about a model, because its checkpoint does not say it. No torch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.shared.errors import GanatomyError


@dataclass(frozen=True)
class Choice:
    """Something about a model that its checkpoint does not say, with the values to choose from."""

    name: str  # activation, output, ...
    help: str
    values: tuple[str, ...]
    default: str

    def answer(self, config: Mapping[str, Any]) -> str:
        """The value chosen, or the default.

        Raises:
            GanatomyError: the value is none of those.
        """
        value = config.get(self.name, self.default)
        if value not in self.values:
            raise GanatomyError(
                f"{self.name} cannot be {str(value)[:40]!r}; choose one of {', '.join(self.values)}."
            )
        return str(value)


def checked_answers(choices: Iterable[Choice], answers: Mapping[str, str], title: str) -> dict[str, str]:
    """The answers by name.

    Raises:
        GanatomyError: one is no answer to any of the choices.
    """
    known = {choice.name: choice for choice in choices}
    for name, value in answers.items():
        if name not in known:
            asked = f"it asks for {', '.join(known)}" if known else "it asks for nothing"
            raise GanatomyError(f"{title} has no choice '{name[:40]}'; {asked}.")
        if known[name].values and value not in known[name].values:
            raise GanatomyError(
                f"'{value[:40]}' cannot be the {name} of {title}; choose one of "
                f"{', '.join(known[name].values)}."
            )
    return dict(answers)
