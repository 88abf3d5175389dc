"""The rest of the play: a model and its turns, people's word for a value, releases, notices by mail and webhook, a run
that is about two people, numbers that conditions add up, a dataset, a new token key."""

import socketserver
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from clearway.app import Clearway
from clearway.model.chat import ModelAnswer, ModelRequest
from clearway.testing import call, say
from clearway.testing.provider import BODY, FakeProvider
from tests.privacy.canaries import CANARIES, NOTE
from tests.privacy.sinks import HttpSink

EMAIL, CARD = CANARIES["EMAIL"], CANARIES["CARD"]
#: As a table has it, grouped.
SHAPED = "-".join(CARD[place : place + 4] for place in range(0, 16, 4))
#: Not with the address to pay to: that comes from a result, so nobody vouches for it yet.
ASKED = f"Pay what I owe. I am {CANARIES['PERSON']}, card {CARD}, SSN {CANARIES['SSN']}."
#: Without a password: inside of base64, as a signature's envelope has it, `password: <PASSWORD:1…>` is taken for one.
SIGNED = f"asked for by {EMAIL}, who paid with {CARD}"
KINDS = (
    "approval.requested",
    "approval.escalated",
    "approval.expired",
    "action.in_doubt",
    "run.finished",
    "kill_switch.engaged",
    "kill_switch.released",
    "release.promoted",
    "release.rolled_back",
    "release.revoked",
)
FILES = {
    "ownership.toml": """\
[groups.finance]
members = ["olga", "amir"]
[owners]
routing = "finance"
policy = "finance"
incident = "finance"
skill_approver = "finance"
""",
    "policies/beyond.cedar": """\
@id("pays") permit (principal in Role::"support", action == Action::"pay", resource)
when { !context.untrusted.contains("payee") &&
  context.sum.amount_minor.user_day + context.arguments.amount_minor < 9000 };
@id("pays-untrusted") @obligation("require_approval") @approvers("finance")
permit (principal in Role::"support", action == Action::"pay", resource) when { context.untrusted.contains("payee") };
@id("looks") permit (principal in Role::"support", action == Action::"read_card", resource);
""",
    "tools/beyond.py": '''\
import os
from typing import Annotated

from pydantic import Field

from clearway import tool


@tool(impact="read", subject="customer", sensitive_results=["card_number"], format_keeping=["card_number"])
def read_card(customer: str) -> dict:
    """The card of a customer, with what they wrote."""
    return {"card_number": os.environ["CANARY_CARD"], "said": os.environ["CANARY_NOTE"],
            "payee": os.environ["CANARY_PAYEE"]}


@tool(impact="external", targets="payee:{payee}", consequential=["payee"], subject="payee",
      format_keeping=["card_number"])
def pay(payee: str, card_number: Annotated[str, Field(pattern="^[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{4}$")],
        amount_minor: int, currency: str = "USD") -> dict:
    """Pays somebody by a card."""
    return {"paid": payee, "by": card_number, "amount_minor": amount_minor}
''',
    "skills/beyond.py": """\
import clearway


@clearway.agent(model="local:small", tools=["read_card", "pay"], budget=clearway.Budget(turns=6, tokens=90_000),
                examples=["pay them"], owner="desk")
def payer(customer: str, card_number: str = ""):
    \"\"\"Pays.\"\"\"
""",
    "prompts/payer.md": "You pay.\n",
}


def settings(webhook: str, provider: str) -> str:
    kinds = ", ".join(f'"{kind}"' for kind in KINDS)
    return f"""\
[users.petra]
tenant = "acme"
roles = {{ dev = ["support", "privacy_officer", "system_operator"] }}
[privacy.reveal]
privacy_officer = ["*"]
finance = ["*"]
[notifications]
link = "https://clearway.example.com"
private_hosts = ["127.0.0.1"]
[notifications.channels.pager]
webhook = "{webhook}/hook"
secret_variable = "CANARY_WEBHOOK_SECRET"
kinds = [{kinds}]
[notifications.channels.mail]
variable = "CANARY_MAIL"
kinds = ["approval.requested", "kill_switch.engaged", "release.promoted"]
[models.providers.local]
base_url = "{provider}"
[models.prices."local:small"]
input_usd_per_mtok = 1
output_usd_per_mtok = 2
as_of = "2026-09-01"
"""


class MailSink:
    """A mail server that takes everything and keeps every byte of it."""

    def __init__(self) -> None:
        self.bytes = b""
        self.has_mail = threading.Event()
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 sink\r\n")
                in_letter = False
                while line := self.rfile.readline():
                    sink.bytes += line
                    word = line.strip().upper()
                    if in_letter:
                        in_letter = line.strip() != b"."
                        if in_letter:
                            continue
                        sink.has_mail.set()
                    elif word == b"DATA":
                        in_letter = True
                        self.wfile.write(b"354 go on\r\n")
                        continue
                    self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
                    if word == b"QUIT":
                        return

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def other_side(sink: HttpSink, monkeypatch: pytest.MonkeyPatch) -> Generator[tuple[str, FakeProvider, MailSink]]:
    """(what to add to the project's settings, the provider of models, the mail server)."""
    mail = MailSink()
    monkeypatch.setenv("CANARY_MAIL", f"mailto://127.0.0.1:{mail.port}?from=clearway@acme.example&to=ops@acme.example")
    for name, value in (("CARD", SHAPED), ("NOTE", NOTE), ("PAYEE", EMAIL)):
        monkeypatch.setenv(f"CANARY_{name}", value)
    monkeypatch.setenv("CANARY_WEBHOOK_SECRET", "whsec_" + "c2VjcmV0LW9mLXRoZS13ZWJob29rLWhlcmU=")
    try:
        with FakeProvider(Payer()) as provider:
            yield settings(sink.url, provider.url), provider, mail
    finally:
        mail.close()


class Payer:
    """Reads the card, pays with what it was shown, and says more than it knows."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    async def prepare(self, model: str) -> None:
        """Nothing to load."""

    async def ask(self, request: ModelRequest, on_text: Callable[[str], None] | None = None) -> ModelAnswer:
        import json

        number = sum(message.role == "assistant" for message in request.messages)
        if number == 0:
            return call("read_card", customer="c-7")
        if number == 1:
            result = json.loads(request.messages[-1].text)["result"]
            self.shown.append(result["card_number"])
            return call("pay", payee=result["payee"], card_number=result["card_number"], amount_minor=4200)
        return say(f"Paid. {NOTE}")


def beyond(app: Clearway, provider: FakeProvider, settled: Callable[[Clearway, str], None]) -> dict[str, str]:
    """What was shown, by name."""
    dana, amir, shown = app.acting("dana"), app.acting("amir"), dict[str, str]()
    runs = [
        dana.start(ASKED, skill="payer", input={"customer": "c-7", "card_number": SHAPED}, subject=f"{number} {EMAIL}")
        for number in range(2)
    ]
    for run in runs:
        settled(app, run["run_id"])
        held = [line for line in amir.approvals()["items"] if line["run_id"] == run["run_id"]]
        assert held, amir.run(run["run_id"])
        approval = held[0]
        page = amir.approval(approval["approval_id"])
        digest = page["presented_digest"]
        given = amir.endorse(approval["approval_id"], "payee", presented_digest=digest, comment=NOTE, for_user=True)
        amir.approve(approval["approval_id"], presented_digest=digest, comment=NOTE)
        settled(app, run["run_id"])
        amir.revoke_endorsement(given["endorsement_id"], NOTE)
        record = amir.run(run["run_id"])
        assert record["status"] == "done", record
        shown[f"agent {run['run_id']}"] = repr([page, given, record, amir.endorsements()])
    provider.fail(BODY, {"error": {"message": NOTE}}, times=3)
    broken = dana.start(NOTE, skill="payer", input={"customer": EMAIL})["run_id"]
    settled(app, broken)
    shown["agent broken"] = repr(amir.run(broken))
    assert amir.run(broken)["status"] == "failed"
    return shown


def releases(project: Path) -> dict[str, str]:
    """Cut, signed, promoted, rolled back, canaried, shadowed, revoked, with canaries in every note and reason."""
    shown: dict[str, str] = {}
    digests: list[str] = []
    policy = project / "policies" / "beyond.cedar"
    text = policy.read_text()
    for number in range(3):
        policy.write_text(f"{text}// {number}\n")
        with Clearway.open(project) as app:
            digests.append(str(app.acting("olga").cut_release(f"{NOTE} {number}")["digest"]))
            shown[f"signed {number}"] = repr(app.acting("amir").sign_release(digests[-1], SIGNED))
    policy.write_text(text)
    first, second, third = digests
    with Clearway.open(project) as app:
        olga, amir = app.acting("olga"), app.acting("amir")
        moves: list[Any] = [
            olga.promote_release(first, NOTE),
            olga.promote_release(second, NOTE),
            amir.rollback_release(NOTE),
            olga.promote_release(second, NOTE),
            olga.canary_release(third, NOTE, share=0.5),
            olga.shadow_release(third, NOTE),
            olga.revoke_release(first, NOTE),
            olga.reinstate_release(first, NOTE),
            olga.release_status(),
            olga.releases(),
            olga.release_record(first),
        ]
    return {**shown, "moves": repr(moves)}


def rotated(app: Clearway) -> str:
    """A new token key: what is filed is filed under its new token too."""
    return repr(app.acting("petra").rotate_keys("token"))


def dataset(app: Clearway, out: Path) -> None:
    done = app.datasets.write(app.acting("petra").caller, out)
    assert done["cases"] > 5


def delivered(sink: HttpSink, mail: MailSink) -> None:
    """Waits until notices have arrived by both ways."""
    assert sink.hooked.wait(60), "no notice by webhook"
    assert mail.has_mail.wait(60), "no notice by e-mail"
