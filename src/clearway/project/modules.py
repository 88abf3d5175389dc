"""Imports a project's Python files under a package of its own, so that two projects never see each other's modules.

The package's root is the project's folder: `from tools.accounts import read_account` in a project's file means its own
`tools/accounts.py`, whatever else is called `tools` in the process (and means the same in the project's unit tests,
where the folder is on the path). Nothing is cached in `__pycache__`: that would be code of this package's name.
"""

import ast
import hashlib
import importlib
import importlib.machinery
import re
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from clearway.model.errors import ConfigError
from clearway.project.located import Problems
from clearway.rules.present import visible

_PREFIX = "clearway_project_"
_WHOLE = re.compile(rf"'{_PREFIX}[0-9a-f]{{12}}'")
_BELOW = re.compile(rf"{_PREFIX}[0-9a-f]{{12}}\.?")


def import_files(folder: Path, files: Sequence[Path], problems: Problems) -> list[tuple[str, ModuleType]]:
    """(file relative to the project, module) of each; what cannot be imported is noted with its file and line.

    Imported anew each time: modules of an earlier call are forgotten.
    """
    package = _PREFIX + hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    _forget(package)
    _install(package, folder)
    found: list[tuple[str, ModuleType]] = []
    for path in files:
        file = path.relative_to(folder).as_posix()
        name = ".".join((package, *path.relative_to(folder).with_suffix("").parts))
        try:
            found.append((file, importlib.import_module(name)))
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            problems.extend(_explained(error, file, folder))
    return found


def _forget(package: str) -> None:
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
    sys.meta_path[:] = [f for f in sys.meta_path if not (isinstance(f, _Finder) and f.package == package)]


def _install(package: str, folder: Path) -> None:
    root = ModuleType(package, "A Clearway project.")
    root.__path__ = [str(folder)]
    sys.modules[package] = root
    importlib.invalidate_caches()
    sys.meta_path.insert(0, _Finder(package, folder))


class _Finder:
    """Finds modules below the project's package and reads them by `_Loader`."""

    def __init__(self, package: str, folder: Path) -> None:
        self.package = package
        self._folder = folder

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not name.startswith(f"{self.package}."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.origin and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            if not Path(spec.origin).resolve().is_relative_to(self._folder.resolve()):
                raise ImportError("a project's file lies outside of its folder")
            spec.loader = _Loader(name, spec.origin, self.package, self._folder)
            spec.cached = None
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles from source, with absolute imports of the project's own folders put below its package."""

    def __init__(self, name: str, path: str, package: str, folder: Path) -> None:
        super().__init__(name, path)
        self._package = package
        self._folder = folder

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path), path)
        own = _Own(self._package, own_names(self._folder))
        return compile(ast.fix_missing_locations(own.visit(tree)), path, "exec", dont_inherit=True)


class _Own(ast.NodeTransformer):
    """`from tools.x import y` → `from PACKAGE.tools.x import y`; `import tools.x` → the same name, bound to ours."""

    def __init__(self, package: str, names: frozenset[str]) -> None:
        self._package = package
        self._names = names

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        if node.level == 0 and node.module and node.module.partition(".")[0] in self._names:
            node.module = f"{self._package}.{node.module}"
        return node

    def visit_Import(self, node: ast.Import) -> Any:
        nodes: list[ast.stmt] = []
        for alias in node.names:
            top = alias.name.partition(".")[0]
            if top not in self._names:
                nodes.append(ast.Import([alias]))
                continue
            nodes.append(ast.Import([ast.alias(f"{self._package}.{alias.name}", alias.asname or f"_{self._package}")]))
            if alias.asname is None:
                nodes.append(ast.ImportFrom(self._package, [ast.alias(top)], 0))
        return [ast.copy_location(made, node) for made in nodes]


def own_names(folder: Path) -> frozenset[str]:
    """Top-level names that mean the project's files: folders with Python in them, and Python files."""
    names = {path.stem for path in folder.glob("*.py")}
    names |= {path.name for path in folder.iterdir() if path.is_dir() and next(path.glob("*.py"), None)}
    return frozenset(names - sys.stdlib_module_names)


def _explained(error: BaseException, file: str, folder: Path) -> ConfigError:
    """The error with the project's own file and line, and the last line of a traceback instead of the whole."""
    if isinstance(error, ConfigError):
        return _relative(error, file, folder)
    line = 1
    if isinstance(error, SyntaxError) and error.filename:
        file, line = _shown(error.filename, folder) or file, error.lineno or 1
        column = f" at column {error.offset}" if error.offset else ""
        what = f"SyntaxError{column}: {visible(error.msg)[0]}."
        return ConfigError(what, file=file, line=line, remedy="Mend the syntax.")
    for frame in traceback.extract_tb(error.__traceback__):
        inside = _shown(frame.filename, folder)
        if inside:
            file, line = inside, frame.lineno or 1
    last = visible(_in_its_own_words(error, folder).strip().partition("\n")[0][:200])[0]
    remedy = "Install it, or correct the name." if isinstance(error, ImportError) else "Mend the file."
    return ConfigError(f"{type(error).__name__}{': ' + last if last else ''}.", file=file, line=line, remedy=remedy)


def _in_its_own_words(error: BaseException, folder: Path) -> str:
    """The error's text with modules and files named as the project names them."""
    text = _WHOLE.sub("the project", str(error))
    return _BELOW.sub("", text).replace(f"{folder}/", "")


def _relative(error: ConfigError, file: str, folder: Path) -> ConfigError:
    inside = _shown(error.file, folder)
    message = error.message.removeprefix(f"{error.file}:{error.line}: ").removeprefix(f"{error.file}: ")
    return ConfigError(message, file=inside or file, line=error.line if inside else 1, remedy=error.remedy)


def _shown(path: str, folder: Path) -> str:
    """`path` relative to the project, or an empty string where it lies elsewhere."""
    try:
        return Path(path).relative_to(folder).as_posix()
    except ValueError:
        return ""
