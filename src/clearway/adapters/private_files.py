"""Folders and files that only their owner may read, whatever the umask (threat 42)."""

import os
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def make_private_folder(folder: Path) -> None:
    """Makes `folder` and each missing one above it, 0700. One that exists is left as it is. Errors: `OSError`."""
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    try:
        folder.mkdir(FOLDER_MODE)
    except FileExistsError:
        if not folder.is_dir():
            raise
    else:
        folder.chmod(FOLDER_MODE)  # a umask may have taken our own bits


def open_private_file(path: Path) -> int:
    """Opens `path` for reading and writing, made 0600 from its first moment if new; returns the descriptor.

    An existing file is narrowed to 0600 where it is ours. Errors: `OSError`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    narrow(descriptor)
    return descriptor


def make_private_file(path: Path) -> int:
    """Makes `path`, 0600 from its first moment, and returns its descriptor. Errors: `OSError`, also where it exists."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    narrow(descriptor)
    return descriptor


def narrow(file: int | Path) -> None:
    """Sets mode 0600, unless the file is another user's (then its owner answers for it). Errors: `OSError`."""
    found = os.stat(file)
    if found.st_uid == os.geteuid() and found.st_mode & 0o777 != FILE_MODE:
        os.chmod(file, FILE_MODE)


def sync_folder(folder: Path) -> None:
    """Makes the entries of `folder` (a rename, a link) survive a power cut. Errors: `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
