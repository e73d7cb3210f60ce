"""Text as Markdown that shows it as it is, against a Markdown parser of its own."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from dashboard.widgets import words
from jobs.system.text import visible

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
MARKS = "*_`[]()<>!#$:~&\\|-+=.0123456789@/ \n\"'{}^;"
JOINER = "\N{WORD JOINER}"
LIKE_MARKUP = st.lists(st.sampled_from([*MARKS, "http://x.y", "www.x.y", "material/", "red", "&amp;"])).map(
    "".join
)


def shown(markdown: str) -> str:
    """What a reader sees; fails when anything but text is in it."""
    tokens = PARSER.parse(markdown.strip())
    kinds = [token.type for token in tokens]
    assert kinds in ([], ["paragraph_open", "inline", "paragraph_close"]), kinds
    children = tokens[1].children or [] if tokens else []
    assert {child.type for child in children} <= {"text"}
    return "".join(child.content for child in children).replace(JOINER, "")


@given(st.text() | LIKE_MARKUP | st.text(MARKS))
@example("1. a")
@example("- a")
@example("+ a\n= b")
@example("---")
@example("\\")
@example("a\\\nb")
@example("&lt;img&gt; &#58;")
@example("![i](http://x)[c](http://y)**b**`c`<img src=x>")
def test_any_text_is_shown_as_it_is(text: str) -> None:
    expected = visible(re.sub(r"[\t\r\n\v\f\x85\u2028\u2029]+", " ", text))
    assert shown(words.plain(text)) == expected.strip()


@given(st.text() | LIKE_MARKUP)
def test_no_icon_emoji_colour_formula_or_link_is_left_for_streamlit(text: str) -> None:
    said = re.sub(r"\\(.)", r"\1", words.plain(text))  # what it replaces after Markdown was read
    assert not re.search(r":[\w+-]+:|:material/|https?://[-.\w]|www\.|@[-\w]", said, re.IGNORECASE)
    assert not re.search(r"(?:^|\s)(?:<->|->|<-|--|>=|<=|~=)(?:\s|$)", said)
    assert not re.search(r"(?<!\\)(?:\\\\)*[$:]", words.plain(text))


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("There is no run; see `ganatomy jobs list`.", "There is no run; see `ganatomy jobs list`."),
        ("There is no `[x](y)`.", r"There is no \`\[x\](y)\`."),
        ("`--ablate off` and :red[x]", r"`--ablate off` and \:red\[x\]"),
    ],
)
def test_a_sentence_keeps_its_commands(text: str, markdown: str) -> None:
    assert words.sentence(text) == markdown
