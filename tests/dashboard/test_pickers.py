"""The picker of a study's run: filters by project and owner, and the run of the address stays."""

from streamlit.testing.v1 import AppTest


def page() -> None:
    import pandas as pd
    import streamlit as st

    from dashboard.widgets import pickers

    found = pd.DataFrame(
        {
            "run_id": ["a-3", "a-2", "a-1"],
            "parent_run_id": ["p-1", "p-1", "p-2"],
            "layer": "layer1",
            "owner": ["ada", "bob", "ada"],
            "project": ["roofs", "roofs", "doors"],
        }
    )
    run = pickers.study_run(found, "Causes of", "causes", lambda row: str(row["run_id"]), ("layer",))
    st.markdown(f"shown: {run['run_id']}")


def opened(**parameters: str) -> AppTest:
    test = AppTest.from_function(page, default_timeout=60)
    for name, value in parameters.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def test_the_filters_narrow_the_runs_and_keep_the_one_shown() -> None:
    test = opened(run="a-3")
    assert test.selectbox("url::run").options == ["a-3", "a-2", "a-1"]
    test.selectbox("url::whose").select("bob").run()
    assert test.selectbox("url::run").options == ["a-3", "a-2"]
    assert test.query_params["whose"] == "bob"
    assert test.markdown[-1].value == "shown: a-3"
    test.selectbox("url::whose").select("ada").run()
    test.selectbox("url::in").select("doors").run()
    assert test.selectbox("url::run").options == ["a-3", "a-1"]


def test_the_study_of_a_dissection_in_the_address_is_shown_whoever_owns_it() -> None:
    test = opened(run="p-2", whose="bob")
    assert test.markdown[-1].value == "shown: a-1"
    assert test.selectbox("url::run").options == ["a-2", "a-1"]
