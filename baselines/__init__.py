"""Every other system: one file per method, imported here so that it is registered, and GAVS."""

from importlib import import_module
from pkgutil import iter_modules

import_module("gavs.model")  # `import gavs` alone leaves it, and torch, unloaded
for _module in iter_modules(__path__):
    if not _module.name.startswith("_"):
        import_module(f"baselines.{_module.name}")
