"""Recorded runs as a dataset: sanitized, in a file of whoever asks; and the reading of such files.

A run is read with all that it came to know: a name that was written before the field that told it is a token here too
(`Masker.finish`). The file is the caller's: no retention of ours reaches it, and no erasure.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from clearway.model.errors import Erased, Invalid
from clearway.model.event import Event
from clearway.model.identity import Principal, Scope
from clearway.model.ledger import Entry
from clearway.model.run import Run, RunStatus
from clearway.model.tool import SkillSpec, ToolSpec
from clearway.ports import Store, Tx
from clearway.rules.canonical import canonical, parse_json
from clearway.rules.chain import rfc3339
from clearway.rules.recorded_cases import MOST_CASES, MOST_LINE_BYTES, RecordedCase, RecordedStep, Writing, parse_cases
from clearway.rules.redact import Masker
from clearway.rules.rights import require
from clearway.rules.shapes import of_arguments, of_results
from clearway.rules.turn import in_order
from clearway.runtime.vault import Vaults

Json = dict[str, Any]

DAY_S = 86_400.0
MOST_FILE_BYTES = 1 << 30
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Datasets:
    """One a process; it keeps no state. `tools`, `skills`: of the project, for what they declare sensitive."""

    store: Store
    vaults: Vaults
    tools: Mapping[str, ToolSpec]
    skills: Mapping[str, SkillSpec]

    def write(
        self,
        by: Principal,
        out: Path,
        *,
        days: float | None = None,
        skill: str | None = None,
        status: RunStatus | None = None,
    ) -> Json:
        """One case a run that has ended, newest first: `{"cases", "left_out", "digest"}`. `left_out`: runs that were
        erased, or are too large for a line. The file appears whole or not at all, readable by its owner only, after the
        act was recorded. Errors: `Denied`, `Invalid` (`days`; `dataset`: the file is there already, or cannot be
        written)."""
        require(by, "dataset")
        if days is not None and not days > 0:
            raise Invalid("No runs are of so many last days.", code="days", remedy="Use --days 30.")
        if out.exists() or out.is_symlink():
            raise Invalid("There is a file of that name.", code="dataset", remedy="Name a new one with --out.")
        draft = out.with_name(f".{out.name}.part")
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                done = self._write(by, file, days=days, skill=skill, status=status)
        except OSError:
            raise Invalid(
                "The file cannot be written.", code="dataset", remedy="Name one in a folder that is yours with --out."
            ) from None
        try:
            payload = {**done, "skill": skill, "status": status.value if status else None, "by": by.name}
            self.store.write(by.scope, lambda tx: tx.audit.append([Event("dataset.written", payload)]))
            os.link(draft, out)  # unlike a rename, it never takes the place of another file
        finally:
            draft.unlink(missing_ok=True)
        return done

    def _write(
        self, by: Principal, file: BinaryIO, *, days: float | None, skill: str | None, status: RunStatus | None
    ) -> Json:
        now = self.store.read(by.scope, lambda tx: tx.now)
        since = 0.0 if days is None else now - days * DAY_S
        scope = by.scope
        writing = Writing({"tenant": scope.tenant, "environment": scope.environment, "made_at": rfc3339(now)})
        file.write(writing.begin())
        left_out = 0
        for run in self._runs(scope, since, skill, status):
            if writing.cases == MOST_CASES:
                break
            try:
                case = self.store.read(scope, lambda tx, run=run: self._case(tx, run))
                file.write(writing.case(case))
            except (Erased, Invalid):
                left_out += 1
        file.write(writing.end())
        file.flush()
        os.fsync(file.fileno())
        return {"cases": writing.cases, "left_out": left_out, "digest": writing.digest}

    def _runs(self, scope: Scope, since: float, skill: str | None, status: RunStatus | None) -> Iterator[Run]:
        before: tuple[float, str] | None = None
        while True:
            page = self.store.read(
                scope, lambda tx, before=before: tx.runs.list(status=status, skill=skill, limit=_PAGE, before=before)
            )
            for run in page:
                if run.created_at < since:
                    return
                if run.status.is_final:
                    yield run
            if len(page) < _PAGE:
                return
            before = page[-1].created_at, page[-1].run_id

    def _case(self, tx: Tx, run: Run) -> RecordedCase:
        """Errors: `Erased`. INVARIANT: sealed copies are opened to teach the masker, in memory; what is written is
        what was shown, once more through the masker that knows all of the run."""
        skill = self.skills.get(run.skill)
        masker = self.vaults.redaction.masker(tx.scope, skill.sensitive if skill else ())
        vault = self.vaults.open(tx, run.run_id, masker)
        vault.recall(tx)
        text = str(vault.unseal(run.text)) if run.text else ""
        if run.input:
            masker.mask(vault.unseal(run.input))
        masker.scrub(text)
        entries = in_order(tx.ledger.of_run(run.run_id))
        for entry in entries:
            self._teach(masker, entry, vault.unseal)
        finish = masker.finish
        return RecordedCase(
            case=run.run_id,
            skill=run.skill,
            status=run.status.value,
            code=_code(finish((run.failure or {}).get("code"))),
            release=run.release,
            text=masker.scrub(text),
            input=finish(run.shown_input),
            route=finish(_exact(run.route)),
            steps=[_step(entry, finish) for entry in entries],
            result=finish(_exact(run.shown_result)),
        )

    def _teach(self, masker: Masker, entry: Entry, unseal: Any) -> None:
        spec = self.tools.get(entry.tool)
        fields = spec.sensitive if spec else frozenset[str]()
        if entry.arguments:
            masker.mask(unseal(entry.arguments), fields, of_arguments(spec) if spec else None)
        if entry.result:
            masker.mask(unseal(entry.result), fields, of_results(spec) if spec else None)


def read_dataset(path: str | Path) -> list[RecordedCase]:
    """The cases of a dataset, as values. Parsing is all that happens: nothing is executed, looked up or opened, and no
    archive is unpacked. Errors: `Invalid` (`dataset`)."""
    return list(parse_cases(_lines(Path(path))))


def _lines(path: Path) -> Iterator[bytes]:
    try:
        # Non-blocking, so that a pipe of that name keeps nobody waiting.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_FILE_BYTES:
                raise Invalid(
                    f"A dataset is a file of at most {MOST_FILE_BYTES} bytes.", code="dataset", remedy="Name another."
                )
            while line := file.readline(MOST_LINE_BYTES + 1):
                yield line
    except OSError:
        raise Invalid("The file cannot be read.", code="dataset", remedy="Name one that is yours.") from None


def _step(entry: Entry, finish: Any) -> RecordedStep:
    return RecordedStep(
        step=entry.step_id,
        kind=entry.kind,
        tool=finish(entry.tool),
        impact=entry.impact,
        state=entry.state.value,
        code=_code(finish((entry.detail or {}).get("code"))),
        arguments=finish(entry.shown_arguments),
        targets=[finish(target) for target in entry.targets],
        labels=finish(entry.labels),
        result=finish(_exact(entry.shown_result)),
    )


def _code(code: Any) -> str | None:
    return None if code is None else str(code)[:200]


def _exact(value: Any) -> Any:
    """As JSON. Errors: `Invalid` where it has no canonical form."""
    return parse_json(canonical(value)) if value is not None else None
