"""SQL: questions and statements in the address, their answers, and the schema."""

from collections.abc import Callable

from pages import Page

from dashboard.widgets import words
from dashboard.workbench import schema
from db.layout import Layout
from db.permissions import Person
from db.schema import dictionary
from db.sql import questions, saved

LAYERS = "SELECT run_id, layer, count(*) AS n FROM unit GROUP BY ALL ORDER BY ALL"
OWN = "SELECT run_id, layer, count(*) AS n FROM unit WHERE :concept <> :own GROUP BY ALL ORDER BY ALL"


def test_an_empty_store_answers_with_no_rows(empty: Callable[..., Page]) -> None:
    page = empty("sql")
    assert "0 rows" in page.text
    assert page.widget("Run").disabled


def test_a_question_has_a_form_and_an_answer(full: Callable[..., Page]) -> None:
    page = full("sql")
    assert "20 rows" in page.text
    page.choose("Question", "layer-of-concept")
    assert page.widget("Concept").value == "door"
    assert "2 rows" in page.text
    page.choose("Concept", "tree")
    assert (page.address["question"], page.address["p.concept"]) == ("layer-of-concept", "tree")
    assert "q" not in page.address  # the statement follows from the question
    page.choose("Question", "cost-of-runs").choose("Least duration in seconds", 200)
    assert "p.concept" not in page.address
    assert "2 rows" in page.text
    assert {page.test.dataframe[0].value["kind"].iloc[n] for n in (0, 1)} == {"artifacts", "context"}


def test_a_row_links_to_the_page_of_its_unit_layer_or_run(full: Callable[..., Page]) -> None:
    units = full("sql", question="cause-units").test.dataframe[0].value
    assert units["page"].iloc[0] == "/unit?run=planted-scenes-b103786cbd&layer=layer1&unit=17"
    layers = full("sql", q=LAYERS).test.dataframe[0].value
    assert layers["page"].iloc[0] == "/units?run=planted-1839cfec24&layer=layer1"
    runs = full("sql", q="SELECT run_id FROM run ORDER BY run_id").test.dataframe[0].value
    assert runs["page"].iloc[1] == "/artifacts?run=planted-ca3edf35cd"
    assert runs["page"].iloc[5] == "/runs?has=render-c5dd29ef68"


def test_a_unit_has_its_picture_where_the_run_keeps_one(full: Callable[..., Page]) -> None:
    page = full("sql", question="best-units")
    pictures = page.test.dataframe[0].value["picture"]
    address = "/api/runs/planted-scenes-b103786cbd/layers/layer1/units/3/picture.png?columns=1&width=128"
    assert pictures.iloc[0] == address
    assert "picture" not in page.choose("Pictures", "off").test.dataframe[0].value
    assert page.address["pictures"] == "off"
    nowhere = "SELECT run_id, layer, u AS unit FROM layer, (VALUES (35.0), (36), (NULL), (0.5)) t(u)"
    units = full("sql", q=f"{nowhere} WHERE layer = 'layer2' ORDER BY run_id, u").test.dataframe[0].value
    assert units["picture"].notna().sum() == 1  # the other run has 13 units in this layer
    assert units["page"].iloc[0].startswith("/units?run=")
    named = full("sql", q="SELECT run_id, [layer] AS layer, 1 AS unit, 5 AS picture FROM layer")
    assert list(named.test.dataframe[0].value) == ["run_id", "layer", "unit", "picture"]


def test_columns_and_their_order_are_in_the_address(full: Callable[..., Page]) -> None:
    page = full("sql", question="best-units", pictures="off")
    page.choose("Sort by", "unit").choose("Order", "down").choose("Columns", ["unit", "iou"])
    assert [page.address[name] for name in ("columns", "sort", "order")] == ["unit,iou", "unit", "down"]
    shown = page.test.dataframe[0].value
    assert list(shown) == ["unit", "iou", "page"]
    assert shown["unit"].is_monotonic_decreasing
    assert "['unit', 'iou']" in page.test.code[0].value
    page.choose("Question", "two-runs")
    assert not {"columns", "sort", "order"} & set(page.address)
    commas = full("sql", q="SELECT 1 AS b, greatest(1, 2), 'x' AS a", columns="greatest(1%2C 2)")
    assert list(commas.test.dataframe[0].value) == ["greatest(1, 2)"]
    assert "cannot be nothing" in full("sql", q="SELECT 1 AS b", sort="nothing").errors[0]


def test_many_rows_have_pages_that_are_sorted_together(full: Callable[..., Page]) -> None:
    many = {"q": "SELECT i FROM range(25000) t(i)", "rows": "100000"}
    page = full("sql", **many, page="3")
    shown = page.test.dataframe[0].value["i"]
    assert (len(shown), shown.iloc[0]) == (5000, 20_000)
    assert "Rows 20,001 to 25,000 of 25,000." in page.text
    page.choose("Sort by", "i")
    assert "page" not in page.address
    assert page.choose("Order", "down").test.dataframe[0].value["i"].iloc[0] == 24_999
    assert "Page" in full("sql", **many, page="4").errors[0]


def test_own_parameters_are_asked_for(full: Callable[..., Page]) -> None:
    page = full("sql", q="SELECT * FROM unit WHERE run_id = :run AND layer = :where")
    page.choose("Run", "planted-scenes-b103786cbd")
    assert "0 rows" in page.text
    assert "Without a value: `:where`" in page.text
    assert page.choose(":where", "layer1").address["p.where"] == "layer1"
    assert "32 rows" in page.text
    assert "where layer1" in page.text  # the same statement with another value is kept, too


def test_an_answer_is_drawn_as_a_chart_that_is_in_the_address(full: Callable[..., Page]) -> None:
    page = full("sql", q=LAYERS, chart="bar", x="layer", y="n", colour="run_id")
    assert len(page.test.get("vega_lite_chart")) == 1
    page.choose("Facet", "run_id")
    assert page.address["facet"] == "run_id"
    page = full("sql", question="layer-of-concept", chart="bar")
    assert next(each.value for each in page.test.selectbox if each.label == "X") == "layer"  # not its one run
    page = full("sql", q=LAYERS, chart="line", x="nothing")
    assert "cannot be nothing" in page.errors[0]


def test_a_table_is_described_with_its_rows_size_and_examples(full: Callable[..., Page]) -> None:
    page = full("sql").choose("Tables and views", "run")
    assert page.address["table"] == "run"
    assert "6 rows, about 0.3 MB." in page.text
    assert "run points to no table. generator, segmenter, concept, layer, " in page.text
    page.choose("Tables and views", "layer_summary")
    assert "4 rows, made when it is read." in page.text


def test_columns_have_a_type_a_meaning_and_an_example() -> None:
    found = {each["column"]: each for each in schema.columns("layer", {"layer": "layer4", "units": 512})}
    assert found["layer"]["example"] == "layer4"
    assert found["units"]["type"] == "integer"
    assert all(each["meaning"] for each in found.values())


def test_every_table_of_a_run_leads_to_it() -> None:
    for name, table in dictionary.tables().items():
        drawn = schema.diagram(name)
        assert ("--> run" in drawn) == ("run_id" in table.columns)
        assert all(each in drawn for each in dictionary.pointing(name))


def test_a_wrong_statement_gives_a_sentence(full: Callable[..., Page]) -> None:
    page = full("sql", q="DROP TABLE run")
    assert len(page.errors) == 1
    assert len(page.test.dataframe) == 0


def test_a_mistake_has_its_place_and_the_nearest_name(full: Callable[..., Page]) -> None:
    page = full("sql", q="SELECT run_id,\n  conept FROM unit_label")
    assert page.errors[0].startswith("Line 2, column 3. Binder Error")
    assert "The nearest names in the store: `concept`" in page.text
    assert "Failed · just now" in page.text  # among the statements of this visit


def test_a_statement_of_this_visit_is_kept(full: Callable[..., Page]) -> None:
    page = full("sql", question="two-runs")
    page.choose("Question", "cost-of-runs")
    page.click(words.plain(" ".join(questions.QUESTIONS["two-runs"].statement.split())[:70]))
    assert page.address["question"] == "two-runs"
    assert page.widget("Second run").value == "planted-1839cfec24"


def test_a_run_is_chosen_again_and_again(full: Callable[..., Page]) -> None:
    page = full("sql", question="layer-of-concept")
    runs = page.widget("Run").options
    page.choose("Run", runs[1]).choose("Run", runs[0]).choose("Run", runs[1])
    assert page.address["p.run"] == runs[1]


def test_a_query_is_saved_with_its_chart_changed_brought_back_and_removed(
    full: Callable[..., Page], full_store: Layout
) -> None:
    page = full("sql", q=OWN, chart="bar", x="layer", colour="run_id")
    page.choose("Concept", "tree").choose("Name of the query", "*units*").choose("Tags", "layers, size")
    page.choose("What it answers", "How large layers are").click("Save it")
    assert (page.address["saved"], page.address["version"]) == ("*units*", "1")
    first = page.address
    page = full("sql", saved="*units*")
    assert page.address == {**first, "p.own": ""}
    assert page.widget("Concept").value == "tree"
    assert r"**\*units\***, version 1 · anyone" in page.text
    page = full("sql", saved="*units*", version="1", q="SELECT 1", chart="none")
    assert "You have changed its statement." in page.text
    assert r"\*units\* is there: this will be its version 2." in page.text
    page.click("Save it").click("Open version 1")
    assert page.address == {**first, "p.own": ""}
    page.click("Bring back version 1")
    assert (page.address["version"], page.address["chart"]) == ("3", "bar")
    assert [each.sql for each in saved.versions(full_store, "*units*")] == [
        first["q"],
        "SELECT 1",
        first["q"],
    ]
    assert "How large layers are · anyone · version 3, just now · layers, size" in page.text
    page.click("Remove it")
    assert "anyone removed this query from the list." in page.text
    page.click(r"Bring back \*units\*")
    assert page.address["version"] == "5"


def test_a_query_that_was_never_saved_is_told(full: Callable[..., Page], full_store: Layout) -> None:
    page = full("sql", saved="no*thing", chart="bar")
    assert page.errors[0].startswith(r"There is no saved query no\*thing")
    assert {"q", "version"}.isdisjoint(page.address)
    assert "Tables and views" in [each.label for each in page.test.selectbox]  # the rest of the page stands
    saved.save(full_store, Person("ada"), "known", "SELECT 1")
    assert "known has no version 3; it has 1" in full("sql", saved="known", version="3").errors[0]
    assert "cannot be x" in full("sql", saved="known", version="x").errors[0]
    assert page.click("Without \u201cSaved query\u201d").errors == []
