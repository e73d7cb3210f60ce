"""Who may do what to whose things: every role, every action."""

from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import permissions
from db.permissions import NOBODY, Person, Role, refusal, role

ACTIONS = (
    *("submit", "cancel", "retry", "add", "replace", "pause", "resume", "trigger", "write", "change"),
    *("remove", "rename", "archive", "delete", "restore", "erase", "pin"),
)
OWNERS = ("ada@example.org", "bob@example.org", NOBODY, "")
names = st.text(ascii_lowercase, min_size=1)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("owner", OWNERS)
def test_each_role_may_do_each_action(action: str, owner: str) -> None:
    def may(role: Role) -> bool:
        return not refusal(Person("bob@example.org", role, "login"), action, "job", owner)

    assert (may("viewer"), may("member"), may("admin")) == (False, owner == "bob@example.org", True)


def test_a_refusal_says_whose_it_is_and_who_may() -> None:
    bob = Person("bob@example.org", "member", "login")
    assert refusal(bob, "cancel", "job", "ada@example.org") == (
        "This job belongs to ada@example.org; only its owner or an admin can cancel it."
    )
    assert refusal(bob, "pause", "schedule", NOBODY) == (
        "This schedule has no owner; only an admin can pause it."
    )
    eve = Person("eve@example.org", "viewer", "login")
    assert "ask an admin to make you (eve@example.org) a member" in refusal(eve, "submit", "job", eve.name)
    assert refusal(Person(NOBODY, "viewer", "login"), "write", "note", "").startswith(
        "Log in to write a note"
    )


def test_without_a_login_everybody_may_do_everything() -> None:
    assert refusal(Person("ada"), "cancel", "job", "bob") == ""
    assert permissions.operator().role == "admin"


@given(names, names, st.sampled_from(ACTIONS), st.sampled_from(["viewer", "member", "admin"]))
def test_a_role_above_may_do_what_a_role_below_may(who: str, owner: str, action: str, lower: Role) -> None:
    roles: list[Role] = ["viewer", "member", "admin"]
    if not refusal(Person(who, lower), action, "run", owner):
        above = roles[roles.index(lower) :]
        assert not any(refusal(Person(who, higher), action, "run", owner) for higher in above)


@given(names, names)
def test_a_pattern_is_of_whole_addresses(name: str, domain: str) -> None:
    address = f"{name}@{domain}.org"
    assert role(address, [], [f"*@{domain}.org"]) == "member"
    assert role(address.upper(), [address], []) == "admin"
    assert role(f"{address}.evil.com", [address], [f"*@{domain}.org"]) == "viewer"
    assert role(address, ["*"], ["*"]) == "admin"
    assert role(address, [], []) == "viewer"
