"""The program `ganatomy`. Commands are in `jobs.cli`; those that queue jobs follow from `jobs.kinds`."""

from __future__ import annotations

try:
    from jobs.cli import jobs, kinds, models, services, store
    from jobs.cli.audit import audit
    from jobs.cli.common import App
    from jobs.cli.render import render
    from jobs.cli.report import report
    from jobs.cli.segmenters import export_images
    from jobs.cli.sql import sql
    from jobs.kinds.requests import KINDS
except KeyboardInterrupt:  # no traceback while the program starts either
    raise SystemExit(130) from None

app = App(
    name="ganatomy",
    help="Find out what the units inside a GAN's generator mean, and prove it by intervention.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(services.demo)
app.add_typer(models.app, name="models")
for kind in KINDS.values():
    app.command(kind.command)(kinds.command(kind))
app.command()(render)
app.command()(report)
app.command("export-images")(export_images)
app.add_typer(jobs.app, name="jobs")
app.command()(services.worker)
# A statement that begins with a comment looks like an option: "-- units by layer".
app.command(context_settings={"ignore_unknown_options": True})(sql)
app.add_typer(store.app, name="store")
app.command()(store.export)
app.command("import")(store.import_)
app.command()(audit)
app.command()(services.doctor)
app.command()(services.dashboard)
app.command()(services.up)

if __name__ == "__main__":
    app()
