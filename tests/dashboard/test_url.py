"""State in the address: what a person chose is kept, whatever a browser that lags behind says."""

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.widgets import url


def page() -> None:
    """A page with a text in the address."""
    import streamlit as st

    from dashboard.widgets import url  # the page is run as a file of its own

    url.reconcile()
    url.arrived()
    st.write(url.text(st.text_input, "Cron", "cron", default="0 2 * * *"))
    if st.button("Reset"):
        url.put(cron="first")
        st.rerun()


def opened(cron: str) -> AppTest:
    test = AppTest.from_function(page)
    test.query_params["cron"] = cron
    return test.run()


def shown(test: AppTest) -> str:
    assert not test.exception
    return str(test.markdown[0].value)


def test_a_choice_survives_a_browser_that_has_not_heard_of_it() -> None:
    test = opened("first")
    test.text_input[0].set_value("second").run()
    assert shown(test) == "second"
    test.query_params["cron"] = "first"  # sent before the browser heard of the change
    assert shown(test.run()) == "second"
    assert test.query_params["cron"] == "second"
    assert shown(test.run()) == "second"


def test_an_address_that_a_person_opens_later_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    test = opened("first")
    test.text_input[0].set_value("second").run()
    monkeypatch.setattr(url, "FRESH", 0.0)  # the browser has heard since
    test.query_params["cron"] = "first"
    assert shown(test.run()) == "first"


def test_a_value_that_is_neither_old_nor_new_is_believed() -> None:
    test = opened("first")
    test.text_input[0].set_value("second").run()
    test.query_params["cron"] = "third"
    assert shown(test.run()) == "third"


def test_a_link_to_the_same_page_is_believed_at_once() -> None:
    test = opened("first")
    test.text_input[0].set_value("second").run()
    test.query_params["cron"], test.query_params["here"] = "first", "1"
    assert shown(test.run()) == "first"


def test_what_the_page_writes_itself_is_kept() -> None:
    test = opened("first")
    test.text_input[0].set_value("second").run()
    test.button[0].click().run()
    assert shown(test) == "first"
