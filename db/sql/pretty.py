"""A statement in a standard layout. Nothing but blanks, line ends and the case of reserved words changes.

Each clause begins a line, a query in brackets is indented, and a clause that is too long is broken at its AND
and OR, else after commas. A parser's own printing would also rewrite functions, casts and comments.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from db.errors import ConsoleError

WIDTH = 100  # characters of a line, where it can be broken
STEP = 2  # of the indentation
_TOKEN = re.compile(
    r"(?P<blank>\s+)|(?P<comment>--[^\n]*|/\*.*?\*/)"
    r"|(?P<quoted>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"
    r"|(?P<word>[^\W\d]\w*)|\d[\w.]*|::|->>?|:=|[<>=!~|&@^]+|.",
    re.DOTALL,
)
_COMPARED = {"=", "<>", "!=", "<=", ">=", "<", ">", "=="}
_OPEN, _CLOSED = "([{", ")]}"
_QUERIES = {"SELECT", "WITH", "FROM"}  # what a query in brackets begins with
_SPANS = {"BETWEEN": "AND", "CASE": "END"}  # within which no line ends, and the word that ends each
_BREAKS = {",": "after", "AND": "before", "OR": "before"}  # where a line may end
_JOINS = {"LEFT", "RIGHT", "FULL", "INNER", "OUTER", "CROSS", "NATURAL", "ASOF", "SEMI", "ANTI", "POSITIONAL"}
_CLAUSES = {
    "SELECT",
    "WHERE",
    "HAVING",
    "QUALIFY",
    "WINDOW",
    "LIMIT",
    "OFFSET",
    "UNION",
    "INTERSECT",
    "EXCEPT",
}
_PAIRS = {"GROUP", "ORDER"}  # a clause where BY follows
# Reserved in DuckDB, so that none of them is a column's name, except after AS or a point.
_RESERVED = {*_CLAUSES, *_PAIRS, "WITH", "FROM", "BY", "JOIN", "ON", "USING", "AND", "OR", "NOT", "IN", "IS"}
_RESERVED |= {"NULL", "AS", "CASE", "WHEN", "THEN", "ELSE", "END", "DISTINCT", "ALL", "ANY", "ASC", "DESC"}
_RESERVED |= {"TRUE", "FALSE", "LIKE", "ILIKE", "BETWEEN", "EXISTS", "LATERAL"}


@dataclass
class _Token:
    text: str
    kind: str
    gap: bool  # whether a blank stands before it
    own_line: bool  # whether a line end stands before it
    word: str = ""  # a word in capitals, unless it is a name after AS or a point


@dataclass
class _Piece:
    """A token, or a query in brackets of several lines, within a clause."""

    text: str
    space: bool
    depth: int  # of brackets and CASE
    breaks: str = ""  # "before" or "after" it, the line may end
    comment: str = ""  # "line" where the line ends after it, "own" where it also begins one


def pretty(sql: str) -> str:
    r"""The statement laid out anew. Formatting the result again changes nothing.

    Raises ConsoleError, one sentence, where a bracket or a quote is not closed.

    >>> print(pretty("select unit,lift -- best\nfrom unit where lift>(select avg(lift) from unit)"))
    SELECT unit, lift -- best
    FROM unit
    WHERE lift > (
      SELECT avg(lift)
      FROM unit
    )
    """
    tokens = list(_tokens(sql))
    writer = _Writer(tokens)
    found = writer.query(0)
    if writer.at < len(tokens):
        raise ConsoleError(_unmatched(tokens[writer.at].text))
    return found


def _unmatched(text: str) -> str:
    return f"The statement has a {text} without its other half; the text stays as it is."


def _tokens(sql: str) -> Iterator[_Token]:
    blank, before = "", ""
    for found in _TOKEN.finditer(sql):
        kind, text = found.lastgroup or "", found[0]
        kind = "quoted" if kind == "tag" else kind
        if kind == "blank":
            blank = text
            continue
        if text in ("'", '"'):
            raise ConsoleError(_unmatched(text))
        token = _Token(text, kind, bool(blank), "\n" in blank)
        if kind == "word" and before not in ("AS", ".", ":"):
            token.word = text.upper()
            if token.word in _RESERVED:
                token.text = token.word
        yield token
        blank, before = "", text.upper()


class _Writer:
    """Writes queries from the tokens `at` on."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.tokens = tokens
        self.at = 0

    def query(self, indent: int) -> str:
        """The clauses up to a closing bracket or the end, each on a line of its own."""
        clauses: list[list[_Piece]] = [[]]
        while self.at < len(self.tokens) and self.tokens[self.at].text not in _CLOSED:
            token = self.tokens[self.at]
            if token.kind == "comment" and self._alone(token, clauses[-1]):
                clauses += [[_Piece(token.text, False, 0)], []]
                self.at += 1
                continue
            if self._begins(self.at):
                self._capital_joins()
                clauses.append([])
            self._item(clauses[-1], 0, indent)
            if self._next_cte(clauses[-1]):
                clauses.append([])
        return "\n".join(_laid(clause, indent) for clause in clauses if clause)

    def _capital_joins(self) -> None:
        """Write LEFT, OUTER and so on, which are no reserved words, in capitals."""
        at = self.at
        while self._word(at) in _JOINS:
            self.tokens[at].text = self.tokens[at].word
            at += 1

    def _alone(self, comment: _Token, clause: list[_Piece]) -> bool:
        """Whether a comment has a line of its own before a clause."""
        return not clause or (comment.own_line and self._begins(self._after(self.at)))

    def _next_cte(self, clause: list[_Piece]) -> bool:
        """Whether a query of WITH has just ended with its comma, and the comment beside that."""
        if self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.kind == "comment" and not token.own_line:
                return False
        written = [piece for piece in clause if not piece.comment]
        return len(written) > 1 and written[-1].text == "," and written[-2].text.startswith("(\n")

    def _after(self, at: int) -> int:
        """The place of the first token from here on that is no comment."""
        while at < len(self.tokens) and self.tokens[at].kind == "comment":
            at += 1
        return at

    def _word(self, at: int) -> str:
        return self.tokens[at].word if 0 <= at < len(self.tokens) else ""

    def _begins(self, at: int) -> bool:
        """Whether a clause begins at a token."""
        word, before = self._word(at), self._word(at - 1)
        if word in _JOINS or word == "JOIN":
            if before in _JOINS:
                return False
            while self._word(at) in _JOINS:
                at += 1
            return self._word(at) == "JOIN"
        if word == "FROM":
            return before != "DISTINCT"
        if word == "SELECT":
            return before not in ("EXPLAIN", "ANALYZE", "DESCRIBE", "SUMMARIZE")
        return word in _CLAUSES or (word in _PAIRS and self._word(at + 1) == "BY")

    def _item(self, pieces: list[_Piece], depth: int, indent: int) -> None:
        """Add the token here, and what is within its brackets."""
        token = self.tokens[self.at]
        piece = _Piece(token.text, self._space(pieces), depth)
        pieces.append(piece)
        self.at += 1
        if token.kind == "comment":
            piece.comment = "own" if token.own_line else "line" if token.text.startswith("--") else ""
        elif token.text == "(" and self._word(self._after(self.at)) in _QUERIES:
            inner = self.query(indent + STEP)
            piece.text = f"(\n{inner}\n{' ' * indent}{self._close('(')}"
        elif token.kind != "quoted" and token.text in _OPEN:
            while self.at < len(self.tokens) and self.tokens[self.at].text not in _CLOSED:
                self._item(pieces, depth + 1, indent)
            pieces.append(_Piece(self._close(token.text), False, depth))
        elif token.word in _SPANS:
            self._until(_SPANS[token.word], pieces, depth + (token.word == "CASE"), indent)
        else:
            piece.breaks = _BREAKS.get(token.word or token.text, "")

    def _until(self, word: str, pieces: list[_Piece], depth: int, indent: int) -> None:
        """Add the tokens up to a word, at which no line ends."""
        while self.at < len(self.tokens) and self.tokens[self.at].text not in _CLOSED:
            ends = self._word(self.at) == word
            self._item(pieces, depth, indent)
            if ends:
                pieces[-1].breaks = ""
                return

    def _close(self, opened: str) -> str:
        """Take the bracket that closes another."""
        wanted = _CLOSED[_OPEN.index(opened)]
        if self.at >= len(self.tokens) or self.tokens[self.at].text != wanted:
            raise ConsoleError(_unmatched(opened))
        self.at += 1
        return wanted

    def _space(self, pieces: list[_Piece]) -> bool:
        """Whether a blank stands before the token here."""
        token = self.tokens[self.at]
        if not pieces:
            return False
        before = self.tokens[self.at - 1]
        if token.text in (",", ";") or (before.kind != "quoted" and before.text in _OPEN):
            return False
        spaced = _COMPARED | {","}
        return (
            token.gap
            or token.text in _COMPARED
            or before.text in spaced
            or "comment"
            in (
                token.kind,
                before.kind,
            )
        )


def _laid(pieces: list[_Piece], indent: int) -> str:
    """A clause: on one line if it fits, else broken at its AND and OR, or after commas."""
    flat = "".join(f"{' ' * piece.space}{piece.text}" for piece in pieces)
    long = indent + max(map(len, flat.split("\n"))) > WIDTH
    where = [piece.breaks for piece in pieces if piece.depth == 0]
    words = "before" in where
    text, line, ended = "", " " * indent, False
    begin = "\n" + " " * (indent + STEP)
    for number, piece in enumerate(pieces):
        if words:
            broken = long and piece.depth == 0 and piece.breaks == "before"
        else:
            broken = long and number > 0 and _comma(pieces[number - 1]) and _over(line, pieces[number:])
        if ended or piece.comment == "own" or broken:
            text, line = text + line.rstrip(), begin + piece.text
        else:
            line += f"{' ' * piece.space}{piece.text}"
        ended = bool(piece.comment) and piece.text.startswith("--")
        if "\n" in piece.text:
            text, line = text + line[: line.rindex("\n")], line[line.rindex("\n") :]
    return text + line.rstrip()


def _comma(piece: _Piece) -> bool:
    return piece.depth == 0 and piece.breaks == "after"


def _over(line: str, pieces: list[_Piece]) -> bool:
    """Whether a line is too long with what follows up to the next comma."""
    length = len(line.lstrip("\n"))
    for piece in pieces:
        length += piece.space + len(piece.text.split("\n")[0])
        if _comma(piece) or "\n" in piece.text:
            break
    return length > WIDTH
