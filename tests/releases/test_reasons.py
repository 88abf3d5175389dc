"""What people type beside a release is stored as tokens, as everything else that they type."""

from typing import Any

from tests.releases.conftest import PROD, House

EMAIL, CARD = "wilhelmina.ostrander@quillmoor.example", "4929681234598818"
SAID = f"asked for by {EMAIL}, who paid with {CARD}"


def stored(house: House) -> str:
    def work(tx: Any) -> str:
        digests = [release.digest for release in tx.releases.list(limit=10)]
        signed = [tx.releases.signatures(digest) for digest in digests]
        return repr([tx.audit.read(), tx.releases.list(limit=10), tx.releases.moves(limit=10), signed])

    return house.store.read(PROD, work)


def test_notes_and_reasons_of_releases_are_tokenized_wherever_they_are_stored(house: House) -> None:
    dana = house.who("dana")
    first = str(house.shelf.cut(dana, SAID)["digest"])
    for name in ("sam", "bo", "olga", "amir"):
        duties = [d for d in house.shelf.show(PROD, first)["duties"] if not d["signed_by"]]
        if duties:
            try:
                house.shelf.sign(house.who(name), first, SAID)
            except Exception:
                continue
    house.rollout.promote(house.who("olga"), first, SAID)
    text = stored(house)
    assert EMAIL not in text
    assert CARD not in text
    assert text.count("<EMAIL:1") >= 4
    assert "asked for by" in text
