"""Print docs/schema.md: `python -m db.schema > docs/schema.md`."""

from db.schema.dictionary import markdown

if __name__ == "__main__":
    print(markdown(), end="")
