"""The program `ganatomy`. Commands live in `jobs.commands`; this file only names them."""

from __future__ import annotations

try:
    from jobs.commands import data, jobs, models, serve, store
    from jobs.commands.ace import ace
    from jobs.commands.artifacts import artifacts
    from jobs.commands.common import App
    from jobs.commands.context import context
    from jobs.commands.dissect import dissect
    from jobs.commands.doctor import doctor
    from jobs.commands.full import full
except KeyboardInterrupt:  # while the program starts: as at any other moment, no traceback
    raise SystemExit(130) from None

app = App(
    name="ganatomy",
    help="Find out what the units inside a GAN's generator mean, and prove it by intervention.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(serve.demo)
app.add_typer(models.app, name="models")
app.command()(dissect)
app.command()(ace)
app.command()(context)
app.command()(artifacts)
app.command()(full)
app.command()(data.render)
app.add_typer(jobs.app, name="jobs")
app.command()(serve.worker)
# A statement may begin with a comment, and so like an option: "-- units by layer".
app.command(context_settings={"ignore_unknown_options": True})(data.sql)
app.add_typer(store.app, name="store")
app.command()(store.export)
app.command("import")(store.import_)
app.command()(doctor)
app.command()(serve.dashboard)
app.command()(serve.up)

if __name__ == "__main__":
    app()
