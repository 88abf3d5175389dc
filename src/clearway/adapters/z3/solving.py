"""The solver itself, imported on first use, and Boolean terms that fold constants before they reach it."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from clearway.model.errors import ConfigError

#: A z3 term, or a Python constant of the same meaning (`True`, `7`).
Term = Any


@lru_cache(maxsize=1)
def z3() -> Any:
    """The module. Errors: `ConfigError` where the extra is not installed."""
    try:
        import z3 as module  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise ConfigError(
            "Comparing policies needs an SMT solver, which is not installed.", remedy="pip install 'clearway[changes]'"
        ) from None
    # Terms may be collected in any thread, while another one asks the solver.
    solver: Any = module
    solver.Z3_enable_concurrent_dec_ref(solver.main_ctx().ref())
    return solver


def both(*parts: Term) -> Term:
    """And."""
    return all_of(parts)


def either(*parts: Term) -> Term:
    """Or."""
    return any_of(parts)


def all_of(parts: Iterable[Term]) -> Term:
    kept: list[Term] = []
    for part in parts:
        if part is False:
            return False
        if part is not True:
            kept.append(part)
    if len(kept) < 2:
        return kept[0] if kept else True
    return _joined(z3().Z3_mk_and, kept)


def any_of(parts: Iterable[Term]) -> Term:
    kept: list[Term] = []
    for part in parts:
        if part is True:
            return True
        if part is not False:
            kept.append(part)
    if len(kept) < 2:
        return kept[0] if kept else False
    return _joined(z3().Z3_mk_or, kept)


def _joined(make: Any, parts: list[Term]) -> Term:
    """As `z3.And` and `z3.Or`, which spend ten times as long on finding out that all parts are Booleans."""
    module, context = z3(), parts[0].ctx
    terms = (module.Ast * len(parts))(*(part.as_ast() for part in parts))
    return module.BoolRef(make(context.ref(), len(parts), terms), context)


def negated(part: Term) -> Term:
    return not part if isinstance(part, bool) else z3().Not(part)


def choice(condition: Term, then: Term, otherwise: Term) -> Term:
    """`then` where the condition holds. Both are Booleans, or both are integers."""
    if isinstance(condition, bool):
        return then if condition else otherwise
    if then is otherwise:
        return then
    if isinstance(then, bool) or isinstance(otherwise, bool):
        return either(both(condition, then), both(negated(condition), otherwise))
    return z3().If(condition, then, otherwise)


def equal(one: Term, other: Term) -> Term:
    """Of two integers, or of two Booleans."""
    if isinstance(one, bool) or isinstance(other, bool):
        known, unknown = (one, other) if isinstance(one, bool) else (other, one)
        return unknown if known else negated(unknown)
    if isinstance(one, int) and isinstance(other, int):
        return one == other
    if one is other:
        return True
    if isinstance(one, int) or isinstance(other, int):
        term, known = (other, one) if isinstance(one, int) else (one, other)
        return _is_number(term, known)
    return one == other


@lru_cache(maxsize=4096)
def _number(known: int) -> Term:
    return z3().IntVal(known)


def _is_number(term: Term, known: int) -> Term:
    """As `term == known`, which spends most of its time on finding out what both are."""
    module = z3()
    return module.BoolRef(module.Z3_mk_eq(term.ctx_ref(), term.as_ast(), _number(known).as_ast()), term.ctx)


def implies(condition: Term, consequence: Term) -> Term:
    return either(negated(condition), consequence)
