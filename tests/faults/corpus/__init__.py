"""The corpus: ways in which a backup becomes unusable, and healthy states that only look odd, layer by layer.

One file of `layers/` a layer, each a table: `FAULTS` and `HEALTHY`. A fault says where it is put (its stand), how
it is injected, and which findings must be red then, those and no others; just before, the stand is green. To add
one, add a line to a table; `make faults` prints what is caught, named and missed, and which alarms are false.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Iterator

from tests.faults.corpus import layers
from tests.faults.corpus.case import Fault, Healthy


def all_layers() -> Iterator[tuple[str, tuple[Fault, ...], tuple[Healthy, ...]]]:
    """Each layer's name, faults and healthy states; the folder's listing is the registry.

    The environment variable FAULTS_LAYER names one that is wanted alone.
    """
    alone = os.environ.get("FAULTS_LAYER")
    for module in pkgutil.iter_modules(layers.__path__):
        if alone in (None, "", module.name):
            layer = importlib.import_module(f"{layers.__name__}.{module.name}")
            yield module.name, tuple(layer.FAULTS), tuple(layer.HEALTHY)
