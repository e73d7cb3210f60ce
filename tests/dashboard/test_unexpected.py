"""An error that nobody expected: one sentence on the page, the traceback in the log."""

import logging

import pytest
from streamlit.testing.v1 import AppTest


def script() -> None:
    import streamlit as st

    from dashboard.widgets import page

    with page.sentences():
        raise KeyError("/home/ann/secret")
    st.caption("the rest of the page")
    with page.sentences():
        st.stop()
    st.caption("never")


def test_an_unexpected_error_is_one_sentence(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("dashboard.widgets.page")
    logger.addHandler(caplog.handler)  # Streamlit's loggers hand nothing on
    try:
        test = AppTest.from_function(script).run()
    finally:
        logger.removeHandler(caplog.handler)
    assert len(test.exception) == 0
    (error,) = test.error
    assert "cannot be drawn" in error.value
    assert "KeyError" in error.value
    assert "secret" not in error.value
    assert [each.value for each in test.caption] == ["the rest of the page"]
    assert "KeyError: '/home/ann/secret'" in caplog.text
