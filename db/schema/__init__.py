"""The schema: one `metadata` with every table of results, discovered from the modules beside this one.

A new study's tables stand in a module of its name here; nothing else has to list them.
"""

from importlib import import_module
from pkgutil import iter_modules

from db.schema import dissection as dissection
from db.schema.base import metadata as metadata

__all__ = ["metadata"]

for _module in iter_modules(__path__):
    if not _module.name.startswith("_"):
        import_module(f"{__name__}.{_module.name}")
