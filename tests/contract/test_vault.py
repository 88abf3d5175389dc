"""The vault and the rules of retention, on every kind of database."""

import inspect
from dataclasses import replace
from typing import Any

import pytest

from clearway import ports
from clearway.adapters.sql.store import SqlStore
from clearway.model.errors import Internal
from clearway.model.identity import Scope
from clearway.model.run import RunStatus
from clearway.model.vault import StoredKey, VaultRow
from tests.contract import examples
from tests.databases import ACME, SettableClock

JANE, OTTO = "<SUBJECT:1janejanejanejane>", "<SUBJECT:1ottoottoottootto>"
CARD = "<CARD:1abcdefghijklmnop>"
MAIL = "<EMAIL:1abcdefghijklmnop>"
FOREIGN = Scope("umbrella", "prod")


def key(key_id: str = "dk_1", **values: Any) -> StoredKey:
    return replace(StoredKey(key_id, "subject", JANE, "seal-1", "wrapped", 5.0), **values)


def row(token: str = CARD, key_id: str = "dk_1", **values: Any) -> VaultRow:
    return replace(VaultRow(token, key_id, token[1:].partition(":")[0], JANE, "sealed", 10.0), **values)


def fill(tx: Any) -> None:
    tx.vault.add_key(key())
    tx.vault.add_key(key("run1", kind="run"))
    tx.vault.link(JANE, "run7")
    tx.vault.file([row(), row(MAIL, "run1")])
    tx.runs.insert(
        examples.run(status=RunStatus.DONE, finished_at=50.0, shown_input={"card": CARD}, result="sealed result")
    )
    tx.ledger.insert(examples.entry(arguments="sealed arguments", result="sealed", shown_result={"to": MAIL}))
    tx.approvals.insert(examples.approval(arguments="sealed arguments"))
    tx.audit.append([examples.event()])


def test_keys_rows_and_links_come_back_as_they_were_put_in(store: SqlStore) -> None:
    store.write(ACME, fill)

    def check(tx: Any) -> None:
        assert tx.vault.key("dk_1") == key()
        assert tx.vault.key("dk_9") is None
        assert tx.vault.keys_of(JANE) == [key()]
        assert tx.vault.keys_of(OTTO) == []
        assert tx.vault.runs_of(JANE) == ["run1", "run7"]
        assert tx.vault.find(CARD) == [row()]
        assert tx.vault.under(["dk_1", "run1", "gone"]) == [row(), row(MAIL, "run1")]
        assert [each.key_id for each in tx.vault.run_keys()] == ["dk_1", "run1"]
        assert [each.key_id for each in tx.vault.run_keys(after="dk_1", limit=1)] == ["run1"]

    store.read(ACME, check)


def test_filing_again_says_only_that_the_value_is_still_met(store: SqlStore) -> None:
    store.write(ACME, fill)
    store.write(ACME, lambda tx: tx.vault.file([row(sealed="another", seen_at=99.0)]))
    store.write(ACME, lambda tx: tx.vault.link(JANE, "run7"))
    assert store.read(ACME, lambda tx: tx.vault.find(CARD)) == [row(seen_at=99.0)]


def test_many_values_are_filed_at_once_and_some_of_them_again(store: SqlStore) -> None:
    store.write(ACME, fill)
    many = [row(f"<EMAIL:1{number:016}>", seen_at=20.0) for number in range(40)]
    store.write(ACME, lambda tx: tx.vault.file(many[:3]))
    store.write(ACME, lambda tx: tx.vault.file([replace(each, sealed="another", seen_at=30.0) for each in many]))
    store.write(ACME, lambda tx: tx.vault.file([replace(each, seen_at=40.0) for each in (many[0], many[0])]))
    found = {each.token: each for each in store.read(ACME, lambda tx: tx.vault.under(["dk_1"]))}
    assert len(found) == 41
    assert found[many[0].token] == replace(many[0], seen_at=40.0)
    assert found[many[2].token] == replace(many[2], seen_at=30.0)
    assert found[many[39].token] == replace(many[39], sealed="another", seen_at=30.0)
    assert store.read(FOREIGN, lambda tx: tx.vault.under(["dk_1"])) == []


def test_a_token_is_filed_under_several_keys_and_readable_ones_come_first(store: SqlStore) -> None:
    store.write(ACME, fill)
    store.write(ACME, lambda tx: tx.vault.file([row(key_id="run1", sealed=None, seen_at=99.0)]))
    assert [each.key_id for each in store.read(ACME, lambda tx: tx.vault.find(CARD))] == ["dk_1", "run1"]


def test_what_is_shredded_is_gone_and_says_so(store: SqlStore) -> None:
    store.write(ACME, fill)
    assert store.write(ACME, lambda tx: tx.vault.shred(["dk_1", "run1", "nothing"], 77.0)) == 2
    assert store.write(ACME, lambda tx: tx.vault.shred(["dk_1", "run1"], 88.0)) == 0

    def check(tx: Any) -> None:
        assert tx.vault.key("dk_1") == key(wrapped=None, erased_at=77.0)
        assert [each.sealed for each in tx.vault.under(["dk_1", "run1"])] == [None, None]
        run, entry, approval = tx.runs.get("run1"), tx.ledger.of_run("run1")[0], tx.approvals.get("ap1")
        assert (run.text, run.input, run.result) == ("", "", None)
        assert (entry.arguments, entry.result) == (None, None)
        assert approval.arguments is None
        assert run.shown_input == {"card": CARD}
        assert entry.shown_result == {"to": MAIL}
        assert not tx.vault.run_keys()

    store.read(ACME, check)
    assert not store.write(ACME, lambda tx: tx.vault.rewrap(key(wrapped="again")))


def test_a_live_key_comes_before_one_that_was_shredded(store: SqlStore) -> None:
    store.write(ACME, fill)
    store.write(ACME, lambda tx: tx.vault.shred(["dk_1"], 77.0))
    store.write(ACME, lambda tx: tx.vault.add_key(key("dk_0")))
    assert [each.key_id for each in store.read(ACME, lambda tx: tx.vault.keys_of(JANE))] == ["dk_0", "dk_1"]


def test_single_values_are_forgotten_once(store: SqlStore) -> None:
    store.write(ACME, fill)
    assert store.write(ACME, lambda tx: tx.vault.forget([row(), row(MAIL, "dk_1")])) == 1
    assert store.write(ACME, lambda tx: tx.vault.forget([row()])) == 0
    assert [each.sealed for each in store.read(ACME, lambda tx: tx.vault.under(["dk_1", "run1"]))] == [None, "sealed"]


def test_rewrapping_changes_the_wrapping_only(store: SqlStore) -> None:
    store.write(ACME, fill)
    assert store.write(ACME, lambda tx: tx.vault.rewrap(key(wrapped="anew", kek_id="seal-2")))
    assert store.read(ACME, lambda tx: tx.vault.key("dk_1")) == key(wrapped="anew", kek_id="seal-2")


def test_runs_are_found_by_the_tokens_in_their_shown_texts(store: SqlStore) -> None:
    store.write(ACME, fill)
    found = store.read(ACME, lambda tx: tx.vault.runs_with([CARD, MAIL, "<CARD:1zzzzzzzzzzzzzzzz>"]))
    assert found == [("run1", frozenset({CARD, MAIL}))]
    assert store.read(ACME, lambda tx: tx.vault.runs_with([])) == []


def test_unfinished_runs_are_told_from_those_that_ended_or_never_were(store: SqlStore) -> None:
    store.write(ACME, fill)
    store.write(ACME, lambda tx: tx.runs.insert(examples.run(run_id="run2", idempotency_key="k2")))
    assert store.read(ACME, lambda tx: tx.vault.unfinished(["run1", "run2", "run3"])) == ["run2"]


def test_retention_takes_what_ended_before_then_and_nothing_younger(store: SqlStore) -> None:
    store.write(ACME, fill)

    def count(tx: Any, before: float) -> list[int]:
        return [tx.retention.count(kind, before) for kind in ("transcripts", "payloads", "vault")]

    assert store.read(ACME, lambda tx: count(tx, 50.0)) == [0, 0, 2]
    assert store.read(ACME, lambda tx: count(tx, 50.1)) == [1, 1, 2]
    for kind, gone in (("payloads", 1), ("transcripts", 1), ("vault", 2)):
        assert store.write(ACME, lambda tx, kind=kind: tx.retention.remove(kind, 50.1, 99.0)) == gone
        assert store.write(ACME, lambda tx, kind=kind: tx.retention.remove(kind, 50.1, 99.0)) == 0
    assert store.read(ACME, lambda tx: count(tx, 1e9)) == [0, 0, 0]

    def check(tx: Any) -> None:
        run, entry = tx.runs.get("run1"), tx.ledger.of_run("run1")[0]
        assert CARD not in str(run)
        assert MAIL not in str(entry)
        assert tx.audit.head()[0] == 1

    store.read(ACME, check)


def test_a_transaction_that_rolls_back_has_not_committed(store: SqlStore) -> None:
    done: list[str] = []

    def work(tx: Any, fail: bool) -> None:
        tx.on_commit(lambda: done.append("committed"))
        if fail:
            raise Internal("no")
        assert not done

    with pytest.raises(Internal):
        store.write(ACME, lambda tx: work(tx, True))
    assert not done
    store.write(ACME, lambda tx: work(tx, False))
    assert done == ["committed"]


#: Every method, and what a scope in which nothing is has to answer.
ASKED: dict[str, tuple[Any, Any]] = {
    "vault.key": (lambda tx: tx.vault.key("dk_1"), None),
    "vault.keys_of": (lambda tx: tx.vault.keys_of(JANE), []),
    "vault.runs_of": (lambda tx: tx.vault.runs_of(JANE), []),
    "vault.find": (lambda tx: tx.vault.find(CARD), []),
    "vault.under": (lambda tx: tx.vault.under(["dk_1", "run1"]), []),
    "vault.run_keys": (lambda tx: list(tx.vault.run_keys()), []),
    "vault.rewrap": (lambda tx: tx.vault.rewrap(key(wrapped="mine")), False),
    "vault.shred": (lambda tx: tx.vault.shred(["dk_1", "run1"], 1.0), 0),
    "vault.forget": (lambda tx: tx.vault.forget([row()]), 0),
    "vault.runs_with": (lambda tx: tx.vault.runs_with([CARD]), []),
    "vault.unfinished": (lambda tx: tx.vault.unfinished(["run1"]), []),
    "retention.count": (lambda tx: tx.retention.count("payloads", 1e9), 0),
    "retention.remove": (
        lambda tx: sum(tx.retention.remove(kind, 1e9, 1.0) for kind in ("payloads", "transcripts", "vault")),
        0,
    ),
}
ADDED = {"vault.add_key", "vault.link", "vault.file"}


def test_every_method_is_asked_below() -> None:
    methods = {
        f"{part}.{name}"
        for part, port in {"vault": ports.Vault, "retention": ports.Retention}.items()
        for name, _ in inspect.getmembers(port, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods == set(ASKED) | ADDED


@pytest.mark.parametrize("method", ASKED)
def test_t18_nothing_of_another_scope_is_seen_or_changed(store: SqlStore, method: str) -> None:
    store.write(ACME, fill)
    ask, nothing = ASKED[method]
    assert store.write(FOREIGN, ask) == nothing

    def check(tx: Any) -> None:
        assert tx.vault.key("dk_1") == key()
        assert tx.vault.under(["dk_1", "run1"]) == [row(), row(MAIL, "run1")]
        assert tx.runs.get("run1").result == "sealed result"

    store.read(ACME, check)


def test_t19_the_same_token_and_key_id_in_two_scopes_are_two_rows(store: SqlStore, store_clock: SettableClock) -> None:
    store.write(ACME, fill)
    store.write(FOREIGN, lambda tx: tx.vault.file([row(sealed="theirs")]))
    store.write(FOREIGN, lambda tx: tx.vault.add_key(key(wrapped="theirs")))
    store.write(FOREIGN, lambda tx: tx.vault.shred(["dk_1"], 1.0))
    assert store.read(ACME, lambda tx: tx.vault.find(CARD)) == [row()]
    assert store.read(ACME, lambda tx: tx.vault.key("dk_1")) == key()
