"""Replaces what is personal or secret by tokens, before the first byte of it is stored (design: privacy).

Three sources, in one pass: fields that a tool or skill declares sensitive, fields whose names say so, and what the
detectors find in every other text; whatever one of them has shown is then found again wherever else it turns up.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from clearway.model.errors import Invalid
from clearway.model.identity import Principal, Scope
from clearway.model.vault import Minted
from clearway.ports import Sealer
from clearway.rules.find import Finder, RunMemory
from clearway.rules.find.found import TOKEN, is_token
from clearway.rules.find.trees import TooDeep
from clearway.rules.shapes import Path, Schema, Shapes, beside, is_named
from clearway.rules.stand_ins import ATTEMPTS, StandIns

_NOTHING: frozenset[str] = frozenset()


class Masker:
    """Tokenizes for one run, and remembers its values. Not shared between threads.

    `fields`: key names (`card_number`) or dotted paths (`payer.iban`), both at any depth. `token(value, type)` makes
    the pseudonym. `minted`: every token made so far, in order, for the vault. `subject`: token of the person whose data
    this is, empty where that is not known.
    INVARIANT: what comes out of `mask` and `scrub` holds no value that was learned before.
    """

    def __init__(
        self,
        fields: Iterable[str],
        token: Callable[[str, str], str],
        finder: Finder | None = None,
        *,
        subject: str = "",
        stand_ins: StandIns | None = None,
    ) -> None:
        self._fields = frozenset(fields)
        self._make = token
        self._finder = finder or Finder()
        self._memory = RunMemory()
        self._stand_ins = stand_ins
        self._made: dict[str, Any] = {}
        self._met_proven = False
        self._values: dict[str, tuple[str, str]] = {}
        self._noted: set[tuple[str, str]] = set()
        self.minted: list[Minted] = []
        self.subject = subject

    def learn(self, value: Any, fields: Iterable[str] = ()) -> None:
        """Remembers the sensitive values in `value` without returning anything. Errors: `Invalid`, as `mask`."""
        try:
            self._finder.learn(value, self._memory, self._wanted(fields))
        except TooDeep:
            raise _too_deep() from None

    def know(self, value: str, type_name: str) -> None:
        """Remembers one value of a type, as the vault has it: as if it were declared, for the vault doesn't say."""
        self._memory.learn(value, type_name, declared=True)

    def mask(self, value: Any, fields: Iterable[str] = (), shapes: Shapes | None = None) -> Any:
        """`value` with a token for everything sensitive; in the fields that `shapes` names, with a stand-in.

        Errors: `Invalid` (`not_canonical`), nested too deeply."""
        try:
            shown = self._finder.tokenize(value, self._memory, self._mint, self._wanted(fields))
        except TooDeep:
            raise _too_deep() from None
        if self._met_proven:
            shown = beside(value, shown, self._left_alone)
        if shapes is None or not shapes.names or self._stand_ins is None:
            return shown

        def keep(raw: Any, seen: Any, path: Path, schema: Schema) -> Any:
            if not is_named(path, shapes.names):
                return seen
            if self.stands_in(raw):
                return raw
            return self._shaped(seen, raw, schema) if isinstance(seen, str) and is_token(seen) else seen

        return beside(value, shown, keep, shapes.schema)

    def scrub(self, text: str) -> str:
        """`mask` of one text."""
        return self._finder.scrub(text, self._memory, self._mint)

    def finish(self, value: Any) -> Any:
        """A second pass over something shown, with all that the run has taught by now: what becomes a dataset goes
        through it, since a name may have been written before the field that told it."""
        return self.mask(value)

    def value_of(self, token: str) -> tuple[str, str] | None:
        """(type, canonical value) of a token that was made here. What merely looks like one has none."""
        return self._values.get(token)

    def concerns(self, shown: Any, subject: str) -> None:
        """Files what `shown` holds with `subject` too, whoever it was filed with before."""
        for token in tokens_in(shown, self._made):
            known = self._values.get(token)
            if known is not None:
                self._note(token, *known, subject)

    def opened(self, text: str) -> str:
        """`text` with the run's own values in place of their tokens and stand-ins."""
        for token in sorted(self._made, key=len, reverse=True):
            text = text.replace(token, self._values[token][1])
        return TOKEN.sub(lambda match: (self.value_of(match[0]) or ("", match[0]))[1], text) if "<" in text else text

    def stands_in(self, value: Any, *, proven: bool = False) -> bool:
        """Whether a leaf is a stand-in, of this run or of another one of the tenant. `proven`: one that only has the
        mark of a number that is nobody's does not count, if it is not this run's."""
        if self._stand_ins is None or isinstance(value, bool) or not isinstance(value, str | int):
            return False
        return str(value) in self._made or self._stand_ins.recognises(str(value), proven=proven)

    def _left_alone(self, raw: Any, shown: Any, *_: Any) -> Any:
        """A stand-in stays as it was written, also where something was found in a part of it."""
        return raw if shown != raw and self.stands_in(raw) and not is_token(str(shown)) else shown

    def _shaped(self, token: str, written: Any, schema: Mapping[str, Any]) -> Any:
        known = self._values.get(token)
        if known is None or self._stand_ins is None or not isinstance(written, str | int):
            return token
        for attempt in range(ATTEMPTS):
            made = self._stand_ins.make(*known, written, schema, attempt)
            if made is None:
                break
            if self._looks_like_values(str(made)):
                continue
            # INVARIANT: within a run no two values have the same stand-in.
            if self._values.setdefault(str(made), known) == known:
                self._made[str(made)] = made
                self._note(str(made), *known, self.subject)
                return made
        return token

    def _looks_like_values(self, made: str) -> bool:
        """Whether a detector takes a part of a stand-in for a value, in a text that speaks of cards: then it would not
        be left alone wherever it is quoted."""
        found = self._finder.spans(f"card {made} ", RunMemory())
        return not all(self._stand_ins and self._stand_ins.recognises(one.value, one.type) for one in found)

    def _mint(self, value: str, type_name: str) -> str:
        """Empty for a stand-in: it stays as it was written."""
        stand_ins = self._stand_ins
        if value in self._made or (stand_ins is not None and stand_ins.recognises(value, type_name)):
            # One that only bears a mark is found as a whole, and needs no second look.
            self._met_proven = self._met_proven or self.stands_in(value, proven=True)
            return ""
        token = self._make(value, type_name)
        if token not in self._values:
            self._values[token] = (type_name, value)
            self._note(token, type_name, value, self.subject)
        return token

    def _note(self, token: str, type_name: str, value: str, subject: str) -> None:
        if (token, subject) not in self._noted:
            self._noted.add((token, subject))
            self.minted.append(Minted(token, type_name, value, subject))

    def _wanted(self, fields: Iterable[str]) -> frozenset[str]:
        more = frozenset(fields)
        return self._fields if more <= self._fields else self._fields | more


class Redaction:
    """What a project minds, tenant by tenant, and the making of its maskers. One a process; safe between threads.

    `finders`: of the tenants that have settings of their own; `finder`: of the others. `reveal`: tenant → role or
    group → the types that it may open, `*` for all.
    """

    def __init__(
        self,
        sealer: Sealer,
        finder: Finder | None = None,
        finders: Mapping[str, Finder] | None = None,
        reveal: Mapping[str, Mapping[str, Collection[str]]] | None = None,
    ) -> None:
        self.sealer = sealer
        self._finder = finder or Finder()
        self._finders = dict(finders or {})
        self._reveal = dict(reveal or {})

    def finder(self, tenant: str) -> Finder:
        return self._finders.get(tenant, self._finder)

    def masker(self, scope: Scope, fields: Iterable[str] = _NOTHING, *, subject: str = "") -> Masker:
        """A masker that knows nothing yet. `subject`: as `subject_token` gives it."""
        sealer = self.sealer

        def token(value: str, kind: str) -> str:
            return sealer.token(value, kind, scope)

        return Masker(fields, token, self.finder(scope.tenant), subject=subject, stand_ins=StandIns(token))

    def is_stand_in(self, text: str, scope: Scope, type_name: str = "") -> bool:
        """Whether a text is a stand-in of the tenant's."""
        return StandIns(lambda value, kind: self.sealer.token(value, kind, scope)).recognises(text, type_name)

    def said(self, text: str, scope: Scope) -> str:
        """What a person typed beside any run: a reason, a note."""
        return self.masker(scope).scrub(text)

    def may_open(self, principal: Principal, type_name: str) -> bool:
        """Whether one of the principal's roles or groups opens tokens of that type. Nobody may, unless declared."""
        rights = self._reveal.get(principal.scope.tenant, {})
        return any(
            type_name in types or "*" in types
            for name, types in rights.items()
            if name in principal.roles or name in principal.groups
        )

    def subject_token(self, subject: object, scope: Scope) -> str:
        """The token of a data subject; its id is stored nowhere. Empty for none."""
        text = "" if subject is None else str(subject).strip()
        return self.sealer.token(text, "SUBJECT", scope) if text else ""


def tokens_in(value: Any, stand_ins: Collection[str] = ()) -> set[str]:
    """Every token in the texts and keys of a JSON tree, and the leaves that are one of `stand_ins`."""
    found: set[str] = set()
    pending: list[Any] = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            if "<" in one:
                found.update(TOKEN.findall(one))
            elif one in stand_ins:
                found.add(one)
        elif isinstance(one, int) and stand_ins and str(one) in stand_ins:
            found.add(str(one))
        elif isinstance(one, dict):
            items: dict[Any, Any] = one  # pyright: ignore[reportUnknownVariableType]
            pending += (*items.keys(), *items.values())
        elif isinstance(one, list | tuple):
            pending += one
    return found


def _too_deep() -> Invalid:
    return Invalid("A value is nested too deeply.", code="not_canonical", remedy="Send a flatter one.")
