"""Parameter blocks of all methods, one file each; importing this registers them, and GAVS's."""

from importlib import import_module
from pkgutil import iter_modules

import_module("gavs.configs.gavs")
for _module in iter_modules(__path__):
    if not _module.name.startswith("_"):
        import_module(f"baselines.configs.{_module.name}")
