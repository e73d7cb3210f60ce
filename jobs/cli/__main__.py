"""`python -P -m jobs.cli`: the program `ganatomy`."""

from jobs.cli.app import app

if __name__ == "__main__":
    app()
