"""The demonstration of the support desk: real processes, real faults, and every outcome checked.

    python -m examples.support_desk.demo [--data DIR]        (or: clearway demo)

Starts billing, a mail server and a worker, acts out its scenes, compares the stores, and ends everything it started.
Exit code 0 if every expectation held, 1 if one did not, 130 when interrupted. Needs no key and no network.
"""

import argparse
import shlex
import signal
import sys
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

if not __package__:  # run by path: the root of the checkout is not on the path yet
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from clearway.app import Clearway
from clearway.model.errors import ClearwayError
from examples.support_desk import services
from examples.support_desk.demonstration import verdict
from examples.support_desk.demonstration.place import Place, PlaceTaken, prepare
from examples.support_desk.demonstration.processes import Faults, NotReady, Worker
from examples.support_desk.demonstration.scenes import SCENES
from examples.support_desk.demonstration.story import Story, make_console
from examples.support_desk.demonstration.world import World

HERE = Path(__file__).resolve().parent


def main(argv: list[str] | None = None) -> int:
    """Runs the demonstration; the exit code is said above."""
    options = _options(argv)
    story, begun = Story(make_console()), time.monotonic()
    try:
        with _terminable():
            place = prepare(options.project.resolve(), options.data)
            _introduce(story, place)
            with ExitStack() as running:
                world = _set_up(running, place, story, forgetful=options.ignore_keys)
                _play(world)
            _conclude(world, time.monotonic() - begun)
    except KeyboardInterrupt:
        story.line("Interrupted; everything that was started has been stopped.", "red")
        return 130
    except (PlaceTaken, NotReady, services.ServiceError, ClearwayError) as error:
        story.line(f"The demonstration could not go on. {error}", "red")
        return 1
    return 1 if story.failed else 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="clearway demo", description="Acts out the support desk, and checks it.")
    parser.add_argument(
        "--data", type=Path, help="folder for a copy of the project and its data; the example's own otherwise"
    )
    parser.add_argument("--project", type=Path, default=HERE, help="folder of the project; the example otherwise")
    # Billing then forgets the keys it was sent: the demonstration has to notice.
    parser.add_argument("--ignore-keys", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


@contextmanager
def _terminable() -> Generator[None, None, None]:
    """SIGTERM ends the demonstration as Ctrl-C does, so that its processes are stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    earlier = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


def _introduce(story: Story, place: Place) -> None:
    story.title("Clearway", (
        "A support desk: dana asks, skills propose tool calls, policy decides, finance approves, and a billing service "
        "fails on purpose. Each tick below was checked against the stores."
    ))  # fmt: skip
    story.says("project", str(place.project))
    if place.moved is not None:
        story.says("data", f"what was in {place.folder} is now in {place.moved}")


def _set_up(running: ExitStack, place: Place, story: Story, *, forgetful: bool) -> World:
    """Starts everything; what was started is stopped when `running` ends, last first."""
    billing = running.enter_context(services.start("billing", place.billing, *(["--ignore-keys"] if forgetful else [])))
    mail = running.enter_context(services.start("mail", place.mail))
    app = running.enter_context(Clearway.open(place.project))
    environment = {"BILLING_URL": billing.url, "SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(mail.port)}
    worker = Worker(place.project, place.folder, environment)
    running.callback(worker.stop)
    worker.start()
    story.says("processes", f"billing {billing.pid}, mail {mail.pid}, worker {worker.pid}")
    return World(app, place, worker, Faults(billing, mail), story)


def _play(world: World) -> None:
    for scene in SCENES:
        world.story.scene((scene.__doc__ or "").strip())
        try:
            scene(world)
        except Exception as error:  # a broken scene is a failed expectation; the others still play
            world.story.fail(f"the scene ended early: {type(error).__name__}: {error}")
        finally:
            world.faults.clear()
    verdict.tell(world)


def _conclude(world: World, took_s: float) -> None:
    story, project = world.story, world.place.project
    project = project.relative_to(Path.cwd()) if project.is_relative_to(Path.cwd()) else project
    story.heading("Try next")
    run_id = next((run_id for run_id, _ in world.asked[2:]), "RUN")
    for command in (
        "clearway runs list",
        f"clearway runs show {run_id}",
        "clearway approvals list --state all",
        "clearway ledger list",
        "clearway audit verify",
        "clearway policy test",
    ):
        story.command(f"{command} --project {shlex.quote(str(project))}")
    story.line("")
    if story.failed:
        story.line(
            f"{len(story.failed)} of {story.kept + len(story.failed)} expectations failed ({took_s:.1f} s):", "bold red"
        )
        for failed in story.failed:
            story.line(f"  {failed}", "red")
    else:
        story.line(f"All {story.kept} expectations held ({took_s:.1f} s).", "bold green")


if __name__ == "__main__":
    sys.exit(main())
