"""The ways out of the product, told from the code itself: what is not exercised fails the test."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clearway
from clearway.adapters.sql.tables import metadata
from clearway.operate.operations import Operations
from tests.cli.test_documented import commands

SOURCES = Path(clearway.__file__).parent
#: What speaks to others over a network or a pipe of its own.
_SPEAKING = frozenset(
    {"smtplib", "httpx", "apprise", "requests", "urllib.request", "http.client", "aiosmtpd", "socket", "websockets"}
)


def operations() -> list[str]:
    """Every method of the protocol behind command line, API and remote clients."""
    return sorted(
        name for name, member in vars(Operations).items() if inspect.isfunction(member) and not name.startswith("_")
    )


def typed_commands() -> dict[str, Any]:
    return {" ".join(path): command for path, command in commands()}


def columns() -> set[tuple[str, str]]:
    """Every column of ours that can hold text."""
    return {
        (table.name, column.name)
        for table in metadata.tables.values()
        for column in table.columns
        if column.type.python_type is str
    }


def speakers() -> set[str]:
    """Modules of ours that import something that speaks."""
    return {
        path.relative_to(SOURCES).as_posix()
        for path in SOURCES.rglob("*.py")
        if _SPEAKING & set(_imports(ast.parse(path.read_text(encoding="utf-8"))))
    }


def exporters() -> set[str]:
    """Classes of ours that hand spans or figures on."""
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.trace.export import SpanExporter

    from clearway.adapters.otel import scrubbing

    return {
        name
        for name, member in vars(scrubbing).items()
        if inspect.isclass(member)
        and member.__module__ == scrubbing.__name__
        and issubclass(member, SpanExporter | MetricExporter)
    }


def log_writers() -> set[str]:
    """Places that write a log record, a line or a file by themselves: logging handlers, and `open` for writing."""
    found: set[str] = set()
    for path in SOURCES.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "logging.StreamHandler" in text or "logging.FileHandler" in text or "O_APPEND" in text:
            found.add(path.relative_to(SOURCES).as_posix())
    return found


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield node.module.partition(".")[0]
