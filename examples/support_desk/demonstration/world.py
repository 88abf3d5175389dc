"""What the scenes act on: the project's operations as its people, the outside systems, the worker."""

from dataclasses import dataclass, field
from typing import Any

from clearway.app import Acting, Clearway
from examples.support_desk import services
from examples.support_desk.demonstration.place import Place
from examples.support_desk.demonstration.processes import Faults, Worker, until
from examples.support_desk.demonstration.story import Story
from examples.support_desk.services import Charge

Json = dict[str, Any]
WAIT_S = 20.0


@dataclass
class World:
    """`asked`: the ids of the runs, in the order in which they were asked for, with who asked."""

    app: Clearway
    place: Place
    worker: Worker
    faults: Faults
    story: Story
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def person(self, name: str) -> Acting:
        return self.app.acting(name)

    def asks(self, name: str, text: str, **options: Any) -> Json:
        """Tells it, starts the run and returns at once what `start` gives."""
        self.story.says(f"{name} asks", f'"{text}"')
        started = self.person(name).start(text, **options)
        run_id = str(started["run_id"])
        if (run_id, name) not in self.asked:
            self.asked.append((run_id, name))
        return started

    def runs(self, name: str, text: str, **options: Any) -> Json:
        """Asks, waits until the run ends or waits for somebody, tells how it went, gives its record."""
        return self.went(name, str(self.asks(name, text, **options)["run_id"]))

    def went(self, name: str, run_id: str) -> Json:
        record = self.person(name).wait(run_id, wait_s=WAIT_S)
        self.tell(record)
        return record

    def ended(self, name: str, run_id: str) -> Json:
        """Waits for the run's end, tells how it went, gives its record. Errors: `NotReady`."""
        person = self.person(name)
        until(lambda: bool(person.run_status(run_id)["final"]), f"run {run_id} ends", WAIT_S)
        record = person.run(run_id)
        self.tell(record)
        return record

    def tell(self, record: Json) -> None:
        took = "" if record["latency_s"] is None else f" after {record['latency_s']:.2f} s"
        self.story.says("run", f"{record['run_id']}  {record['skill']}: {record['status']}{took}")
        for step in record["steps"]:
            notes = [f"{step['attempts']} attempts"] if step["attempts"] > 1 else []
            notes += troubles_of(record, step["step"]) or ([step["code"]] if step["code"] else [])
            self.story.says("", f"{step['step']:<8}{step['tool']:<19}{step['state']:<13}{', '.join(notes)}".rstrip())
        failure = record["failure"]
        if failure:
            self.story.says("why", f"{failure['message']} (owner: {failure['owner']})")

    def charges(self) -> list[Charge]:
        return services.charges(self.place.billing)

    def charges_of(self, record: Json) -> list[Charge]:
        """Billing's charges that were sent with one of this run's idempotency keys."""
        keys = {step["key"] for step in record["steps"]}
        return [charge for charge in self.charges() if charge.idempotency_key in keys]

    def messages(self) -> list[Json]:
        return services.messages(self.place.mail)

    def posts(self) -> int:
        """How many requests that could change something billing has received."""
        return len(services.requests(self.place.billing))


def troubles_of(record: Json, step_id: str) -> list[str]:
    """The codes of a step's attempts that failed or stayed in doubt, whatever became of it in the end."""
    kinds = ("action.failed", "action.in_doubt")
    events = [event for event in record["events"] if event["step"] == step_id and event["kind"] in kinds]
    return [str(event["payload"]["code"]) for event in events]


def failed_with(record: Json) -> tuple[str | None, str | None]:
    """(status, failure code) of a run."""
    failure: Json = record["failure"] or {}
    return record["status"], failure.get("code")


def step_of(record: Json, tool: str) -> Json:
    """The run's first step with this tool; an empty one where there is none."""
    return next(
        (step for step in record["steps"] if step["tool"] == tool),
        {"step": "", "state": None, "code": None, "attempts": 0},
    )
