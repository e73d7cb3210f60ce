"""Jobs: the form, the list, one job."""

from collections.abc import Callable

from pages import Page


def test_an_empty_store_has_a_form_and_no_job(empty: Callable[..., Page]) -> None:
    page = empty("jobs")
    assert "No job has been queued in this store yet" in page.text
    assert page.widget("Images").value == 1000


def test_the_first_job_of_a_store_is_queued_from_the_page(empty: Callable[..., Page]) -> None:
    page = empty("jobs", generator="planted").click("Queue")
    assert page.errors == []
    assert "Dissect planted" in page.text
    assert page.warnings.count("No worker is alive") == 1


def test_jobs_and_schedules_are_listed(full: Callable[..., Page]) -> None:
    page = full("jobs")
    assert "Dissect planted (layer1, layer2, 128 images)" in page.text
    assert "**nightly**" in page.text


def test_a_job_opens_and_closes(full: Callable[..., Page]) -> None:
    page = full("jobs").click("Open")
    assert page.address["job"]
    assert "This command repeats the job" in page.text
    assert "job" not in page.click("Close").address


def test_another_kind_has_another_form(full: Callable[..., Page]) -> None:
    page = full("jobs", kind="context", generator="planted", layer="layer1", concept="disc")
    assert page.address["kind"] == "context"
    assert page.widget("Concept").value == "disc"


def test_a_page_past_the_last_is_said(full: Callable[..., Page]) -> None:
    page = full("jobs", page="999")
    assert any("999" in error for error in page.errors)


def test_wrong_parameters_give_a_sentence(full: Callable[..., Page]) -> None:
    page = full("jobs", job="gone-1", kind="?", images="x", when="?", priority="x")
    assert any("gone-1" in error for error in page.errors)
