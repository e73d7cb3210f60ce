"""Which family made a checkpoint: every state dict of the file is held against every family."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from analysis.models.files.states import Found, parts, problem, unwrapped
from analysis.models.files.words import Unreadable, plain

if TYPE_CHECKING:
    from analysis.models.families.family import Family

AVERAGED = ("ema", "avg", "average", "averaged", "shadow", "running", "gs", "g_s", "test")
CRITICS = ("d", "dis", "disc", "discriminator", "critic", "netd", "d_ema", "encoder")
MAKERS = ("g", "gen", "generator", "netg", "model", "state_dict", "params", "state")


class Match(NamedTuple):
    """A state dict and the family that it is of."""

    found: Found
    family: str


def families(modules: Mapping[str, str]) -> dict[str, Family]:
    """The families by name, imported now."""
    return {name: import_module(module).FAMILY for name, module in modules.items()}


def match(
    found: list[Found], known: Mapping[str, Family], key: str | None = None, family: str | None = None
) -> Match:
    """The state dict of a generator, and its family: averaged weights before others, critics last.

    Raises:
        Unreadable: there is none, or more than one that is as good; the text says what there is.
    """
    if not found:
        raise Unreadable("holds no state dict; save the generator's state_dict() and use that")
    pool = [unwrapped(each) for each in found]
    if key is not None:
        pool = _under(key, pool)
    tried = {
        name: each for name, each in known.items() if (not each.hidden if family is None else name == family)
    }
    matches = [Match(each, name) for each in pool for name in _fitting(each, tried)]
    if not matches:
        inner = [part for each in pool for part in parts(each)]
        matches = [Match(part, name) for part in inner for name in _fitting(part, tried)]
    if matches:
        return _best(matches, known)
    best = min(pool, key=lambda each: (_rank(each.name), -len(each.tensors)))
    if family is not None:  # its own refusal says what does not fit
        return Match(best, family)
    raise Unreadable(problem(best) or _unknown(best, known))


def single(found: list[Found], key: str | None = None) -> Found:
    """The one state dict of a file, or the one that a key names.

    Raises:
        Unreadable: there is none, or several.
    """
    pool = [unwrapped(each) for each in found]
    if not pool:
        raise Unreadable("holds no state dict; save the model's state_dict() and use that")
    if key is not None:
        pool = _under(key, pool)
    nearest = [each for each in pool if each.path.count("/") == pool[0].path.count("/")]
    if len(nearest) > 1:
        names = _listed([each.path for each in nearest])
        raise Unreadable(f"holds several state dicts; name one with key: {names}")
    return nearest[0]


def _under(key: str, pool: list[Found]) -> list[Found]:
    """The state dicts that a user's key names."""
    exact = [each for each in pool if key == each.path] or [
        each for each in pool if key == each.path.rpartition("/")[2]
    ]
    inner = exact or [
        part for each in pool for part in parts(each) if key in (part.name, part.prefix.rstrip("."))
    ]
    if not inner:
        names = [plain(each.path) for each in pool if each.path]
        holds = f"it holds {_listed(names)}" if names else "it holds none with a name"
        raise Unreadable(f"has no state dict '{plain(key)}'; {holds}")
    return inner


def _fitting(found: Found, known: Mapping[str, Family]) -> list[str]:
    shadow = found.shadow()
    return [name for name, family in known.items() if shadow and _recognised(family, shadow)]


def _recognised(family: Family, shadow: dict) -> bool:
    try:
        return bool(family.recognises(shadow))
    except Exception:  # whatever a file's names and shapes lead a family to
        return False


def _rank(name: str) -> int:
    last = name.rpartition("/")[2].lower()
    words = set(last.replace("-", "_").replace(".", "_").split("_"))
    if last in CRITICS or words & {"d", "disc", "discriminator", "critic", "netd"}:
        return 3
    if last in AVERAGED or words & set(AVERAGED) or last.startswith("avg"):
        return 0
    return 1 if last in MAKERS or not last or words & set(MAKERS) else 2


def _best(matches: list[Match], known: Mapping[str, Family]) -> Match:
    matches = [each for each in matches if not any(_within(each.found, other.found) for other in matches)]
    first = min(_rank(each.found.name) for each in matches)
    best = [each for each in matches if _rank(each.found.name) == first]
    names = list(dict.fromkeys(each.found.name for each in best))
    if len(names) > 1:
        raise Unreadable(
            f"holds several state dicts that are generators; name one with key: {_listed(names)}"
        )
    if len(best) > 1:
        titles = " and ".join(f"{known[each.family].title} ({each.family})" for each in best)
        raise Unreadable(f"may be {titles}; name its family")
    return best[0]


def _within(found: Found, other: Found) -> bool:
    """Whether one is a part of the other: "generator.main." of "generator."."""
    longer = len(found.prefix) > len(other.prefix)
    return longer and found.path == other.path and found.prefix.startswith(other.prefix)


def _unknown(found: Found, known: Mapping[str, Family]) -> str:
    titles = ", ".join(f"{family.title} ({name})" for name, family in known.items() if not family.hidden)
    where = f" under '{plain(found.name)}'" if found.name else ""
    keys = ", ".join(
        f"{plain(name, 60)} {'x'.join(map(str, tensor.shape[:6]))}".strip()
        for name, tensor in list(found.tensors.items())[:3]
    )
    critic = "looks like a discriminator; " if _is_critic(found) else "is of no family that is known here; "
    return (
        f"{critic}the first of its {len(found.tensors)} tensors{where} are {keys}; known are {titles}; "
        "name the family if it is one of them, or export the generator as ONNX"
    )


def _is_critic(found: Found) -> bool:
    """Whether it goes from pictures to one number."""
    if _rank(found.name) == 3:
        return True
    weights = [tensor.shape for tensor in found.tensors.values() if len(tensor.shape) in (2, 4)]
    return len(weights) > 1 and len(weights[0]) == 4 and weights[0][1] in (1, 3) and weights[-1][0] == 1


def _listed(names: list[str]) -> str:
    shown = [plain(name) for name in names[:12]]
    return ", ".join(shown) + (" ..." if len(names) > 12 else "")
