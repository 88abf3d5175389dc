"""What the stores say afterwards: ours through the operations, billing's by reading its own ledger."""

from collections import Counter

from clearway.app import Acting
from examples.support_desk.demonstration.world import Json, World
from examples.support_desk.services.billing_books import SEEDED_ACCOUNTS

CHARGING = ("refund", "write_adjustment")


def tell(world: World) -> None:
    """Prints what happened, and checks the two ledgers, the audit log and the store's bytes."""
    records = [world.person(name).run(run_id) for run_id, name in world.asked]
    world.story.heading("What happened, from the stores")
    _tell_runs(world, records)
    _tell_approvals(world)
    _compare_ledgers(world)
    for name in ("dana", "gil"):
        _verify_audit(world, world.person(name))
    _look_for_addresses(world)


def _tell_runs(world: World, records: list[Json]) -> None:
    words, numbers = ("run", "by", "skill", "status"), ("steps", "latency", "charges")
    columns = [(word, False) for word in words] + [(number, True) for number in numbers]
    rows: list[list[str]] = []
    for (_, name), record in zip(world.asked, records, strict=True):
        latency = "" if record["latency_s"] is None else f"{record['latency_s']:.2f} s"
        charges = world.charges_of(record)
        taken_back = sum(charge.reversed_at is not None for charge in charges)
        count = f"{len(charges)}" + (f", {taken_back} reversed" if taken_back else "")
        steps = [step for step in record["steps"] if step["kind"] == "call"]
        rows.append([record["run_id"], name, record["skill"], record["status"], str(len(steps)), latency, count])
    world.story.table(columns, rows)
    world.story.expect("every run has ended", {record["finished_at"] is None for record in records}, {False})


def _tell_approvals(world: World) -> None:
    people = world.person("olga")
    rows: list[list[str]] = []
    for line in reversed(people.approvals(state="all")["items"]):
        votes = people.approval(line["approval_id"])["votes"]
        said = (f"{vote['verdict']} by {vote['subject'].removeprefix('user:')}: {vote['comment']}" for vote in votes)
        rows.append([line["approval_id"], line["summary"], line["state"], "; ".join(said)])
    world.story.table([("approval", False), ("action", False), ("state", False), ("decided", False)], rows)
    world.story.expect("two approvals were asked for", sorted(row[2] for row in rows), ["consumed", "rejected"])


def _compare_ledgers(world: World) -> None:
    items = world.person("olga").ledger(limit=500)["items"]
    ours = [row["key"] for row in items if row["tool"] in CHARGING and row["state"] == "succeeded"]
    theirs = Counter(str(charge.idempotency_key) for charge in world.charges())
    world.story.says("charges", f"{len(ours)} in our ledger, {theirs.total()} in billing's own")
    world.story.expect("no idempotency key was charged twice", [n for n in theirs.values() if n > 1], [])
    differing = sorted(set(ours) ^ theirs.keys())
    world.story.expect("both ledgers hold the same charges, key by key", differing, [])
    left = [row["state"] for row in items if row["state"] in ("unknown", "started", "held")]
    world.story.expect("nothing is left in doubt", left, [])


def _verify_audit(world: World, person: Acting) -> None:
    found = person.audit_verify()
    tenant = person.caller.scope.tenant
    world.story.says("audit", f"tenant {tenant}: {found['events']} events, {found['status']}: {found['why']}")
    world.story.expect(f"the audit chain of {tenant} verifies", found["status"], "intact")


def _look_for_addresses(world: World) -> None:
    """Personal data: no customer's address may stand in any file of the store."""
    addresses = [account[3] for account in SEEDED_ACCOUNTS]
    stored = b"".join(path.read_bytes() for path in world.place.store_files())
    found = [address for address in addresses if address.encode() in stored]
    world.story.expect("no customer's e-mail address is in any file of the store", found, [])
