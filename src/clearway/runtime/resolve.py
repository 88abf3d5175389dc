"""Tokens that a model or a caller hands back in a tool's arguments become the values that they stand for, in memory.

Only in the fields of tools that declare the need (`sensitive`, `receives_raw`). A token of the run itself is known to
its masker; any other is opened from the vault, by right of the user for whom the run acts, and that is audited.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from clearway.model.action import ToolCall
from clearway.model.errors import Erased
from clearway.model.event import Event
from clearway.model.ledger import Entry
from clearway.model.outcome import Refused
from clearway.model.tool import ToolSpec
from clearway.ports import Store, Tx
from clearway.rules.find.found import TOKEN, is_token
from clearway.rules.redact import Masker, tokens_in
from clearway.rules.shapes import is_named
from clearway.rules.stand_ins import as_written
from clearway.runtime.carry import Carry


async def resolve(store: Store, spec: ToolSpec, at: Carry, call: ToolCall, entry: Entry | None) -> ToolCall | Refused:
    """The call with raw values where its tool takes them; other fields keep their tokens.

    What is no token of this tenant is refused, not passed on as a text. `entry`: the step's row, if it has one: what it
    opened is recorded already. Errors: `Unavailable`."""
    fields = spec.sensitive | spec.receives_raw
    wanted = _tokens(call.arguments, fields) | _stand_ins(call.arguments, fields, spec.format_keeping, at.masker)
    if not wanted:
        return call
    values = {token: known[1] for token in wanted if (known := at.masker.value_of(token)) is not None}
    missing = sorted(wanted - values.keys())
    if missing:
        opened = await _open(store, at, call, missing, entry)
        if isinstance(opened, Refused):
            return opened
        values |= opened
    return replace(call, arguments=_replaced(call.arguments, fields, values, spec.schema))


async def _open(
    store: Store, at: Carry, call: ToolCall, tokens: list[str], entry: Entry | None
) -> dict[str, str] | Refused:
    """From the vault. INVARIANT: every opening leaves an event in the transaction that reads the value."""
    vaults, settled = at.vault.vaults, entry is not None and entry.state.is_settled

    def work(tx: Tx) -> dict[str, tuple[str, str]] | Refused:
        if not settled:
            at.check_fence(tx)
        values: dict[str, tuple[str, str]] = {}
        for token in tokens:
            rows = tx.vault.find(token)
            if not rows or not vaults.is_clear(tx, rows):
                return Refused("token_unknown", "An argument holds a token that stands for no value here.")
            if not settled and not vaults.redaction.may_open(at.user, rows[0].type):
                return Refused(
                    "token_denied", f"{at.user.name} has no role that opens tokens of type {rows[0].type} here."
                )
            try:
                values[token] = (rows[0].type, vaults.value(tx, rows[0]))
            except Erased:
                return Refused("erased", "An argument holds a token whose value was erased.")
            if entry is None:
                payload = {
                    "token": token,
                    "type": rows[0].type,
                    "subject": rows[0].subject,
                    "by": at.user.name,
                    "for": call.tool,
                    "reason": "",
                }
                tx.audit.append([Event("vault.opened", payload, at.run.run_id, call.step_id)])
        return values

    values = await (store.awrite if entry is None else store.aread)(at.scope, work)
    if isinstance(values, Refused):
        return values
    for type_name, value in values.values():
        at.masker.know(value, type_name)
    return {token: value for token, (_, value) in values.items()}


def _tokens(value: Any, fields: frozenset[str], path: tuple[str, ...] = ()) -> set[str]:
    if path and is_named(path, fields):
        return tokens_in(value)
    found: set[str] = set()
    if isinstance(value, Mapping):
        items: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        for name, child in items.items():
            found |= _tokens(child, fields, (*path, str(name)))
    elif isinstance(value, list | tuple):
        for child in value:  # pyright: ignore[reportUnknownVariableType]
            found |= _tokens(child, fields, path)
    return found


def _stand_ins(
    value: Any, fields: frozenset[str], keeping: frozenset[str], masker: Masker, path: tuple[str, ...] = ()
) -> set[str]:
    """The leaves that a tool would take for values. Where it keeps no form, only those that are ours beyond doubt."""
    if isinstance(value, Mapping):
        items: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        parts = [((*path, str(name)), child) for name, child in items.items()]
        return {one for at, child in parts for one in _stand_ins(child, fields, keeping, masker, at)}
    if isinstance(value, list | tuple):
        children: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
        return {one for child in children for one in _stand_ins(child, fields, keeping, masker, path)}
    if not is_named(path, fields) or not masker.stands_in(value, proven=not is_named(path, keeping)):
        return set()
    return {str(value)}


def _replaced(
    value: Any, fields: frozenset[str], values: Mapping[str, str], schema: Any, path: tuple[str, ...] = ()
) -> Any:
    """A copy of a JSON tree. `schema`: of what is at hand, where it is known."""
    shape = _mapping(schema)
    if isinstance(value, Mapping):
        items: Mapping[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        inner = _mapping(shape.get("properties"))
        raw = bool(path) and is_named(path, fields)
        return {
            _text(name, values) if raw and isinstance(name, str) else name: _replaced(
                child, fields, values, inner.get(name), (*path, str(name))
            )
            for name, child in items.items()
        }
    if isinstance(value, list | tuple):
        parts: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
        return [_replaced(part, fields, values, shape.get("items"), path) for part in parts]
    if not path or isinstance(value, bool) or not isinstance(value, str | int) or not is_named(path, fields):
        return value
    stood_for = values.get(str(value))
    if stood_for is None:
        return _text(value, values) if isinstance(value, str) else value
    if (shape.get("type") == "integer" or isinstance(value, int)) and stood_for.isascii() and stood_for.isdecimal():
        return int(stood_for)
    return stood_for if is_token(str(value)) else as_written(str(value), stood_for)


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}


def _text(text: str, values: Mapping[str, str]) -> str:
    return TOKEN.sub(lambda match: values.get(match.group(), match.group()), text) if "<" in text else text
