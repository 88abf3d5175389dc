"""Log hygiene: no record leaves a process with a value in it, whoever wrote it and wherever it goes.

`install` for a process of ours; a program that embeds Clearway may call it too::

    from clearway.adapters.logging import install
    uninstall = install()
"""

from clearway.adapters.logging.hygiene import Hygiene, attend
from clearway.adapters.logging.install import install
from clearway.adapters.logging.lines import JsonLines, PlainLines

__all__ = ["Hygiene", "JsonLines", "PlainLines", "attend", "install"]
