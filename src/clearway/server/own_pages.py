"""Where a sign-in may go on to: a page of this server's own, and nothing else."""

import re

_PATH = re.compile(r"/(?:[A-Za-z0-9_-][A-Za-z0-9/_-]{0,199})?", re.ASCII)


def is_own_page(path: str) -> bool:
    """Whether `path` can name nothing but a page here: no other host, no query, no way up."""
    return _PATH.fullmatch(path) is not None
