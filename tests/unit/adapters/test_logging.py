"""Log hygiene: whatever is logged, by whom and to whichever handler, no value is written (threats 27 and 35)."""

import asyncio
import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pydantic
import pytest

from clearway.adapters.dbos_engine.logs import EVERY_S, Scrub
from clearway.adapters.logging import JsonLines, PlainLines, attend, install

CARD = "4111111111111111"
EMAIL = "jane.doe@example.com"
SECRET = "own-secret-no-detector-knows"


class Written(logging.StreamHandler[io.StringIO]):
    """A handler as others attach it: its own format, no filter of ours."""

    def __init__(self, form: logging.Formatter) -> None:
        super().__init__(io.StringIO())
        self.setFormatter(form)

    @property
    def text(self) -> str:
        return self.stream.getvalue()


FORMS: dict[str, Callable[[], logging.Formatter]] = {
    "json": JsonLines,
    "plain": PlainLines,
    "another's": lambda: logging.Formatter("%(asctime)s %(name)s %(message)s %(args)s"),
}


@pytest.fixture(params=sorted(FORMS))
def written(request: pytest.FixtureRequest) -> Iterator[Written]:
    """Attached after `install`, as a library that is imported late does it."""
    uninstall = install()
    handler = Written(FORMS[request.param]())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)
    uninstall()


def assert_clean(text: str) -> None:
    assert text
    for value in (CARD, EMAIL, SECRET):
        assert value not in text


def test_messages_lose_what_detectors_know(written: Written) -> None:
    log = logging.getLogger("some.library")
    log.info("mail to %s for %s", EMAIL, {"card": CARD})
    log.info(f"mail to {EMAIL}")
    log.info({"to": EMAIL})
    log.info("%(who)s", {"who": EMAIL})
    assert_clean(written.text)
    assert "<EMAIL>" in written.text


def test_arguments_that_do_not_fit_their_message_are_left_out(
    written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    class Bad:
        def __str__(self) -> str:
            raise RuntimeError(SECRET)

    log = logging.getLogger("some.library")
    log.warning("%d paid", SECRET)
    log.warning("nobody", SECRET)
    log.warning("%s", Bad())
    printed = capsys.readouterr()
    assert "Logging error" not in printed.err
    assert_clean(written.text + printed.err + printed.out)
    assert "do not fit" in written.text


@pytest.mark.parametrize("stack_info", [False, True])
def test_exceptions_keep_type_and_place_and_lose_their_text(written: Written, stack_info: bool) -> None:
    class Model(pydantic.BaseModel):
        amount: int

    def fail_as(number: int) -> None:
        if number == 0:
            Model.model_validate({"amount": SECRET})
        elif number == 1:
            json.loads(f'{{"a": "{SECRET}"')
        elif number == 2:
            _ = dict[str, int]()[SECRET]
        elif number == 3:
            try:
                raise ValueError(SECRET)
            except ValueError as error:
                raise OSError(SECRET) from error
        else:
            raise ExceptionGroup(SECRET, [ValueError(SECRET), KeyError(EMAIL)])

    for number in range(5):
        try:
            fail_as(number)
        except Exception:
            logging.getLogger("some.library").exception("failed", stack_info=stack_info)
    assert_clean(written.text)
    for kind in ("ValidationError", "JSONDecodeError", "KeyError", "OSError", "ExceptionGroup"):
        assert kind in written.text
    assert "fail_as" in written.text


def test_what_comes_with_extra_is_clean_at_every_handler_that_is_attended() -> None:
    uninstall = install()
    handler = Written(logging.Formatter("%(message)s %(who)s %(all)s"))
    log = logging.getLogger("some.library.with.extra")
    log.addHandler(handler)
    log.propagate = False
    try:
        assert [each for each, _ in attend()] == [handler]
        assert attend() == []
        log.warning("x", extra={"who": EMAIL, "all": {"card_number": CARD, "of": [EMAIL, SimpleNamespace(a=SECRET)]}})
        assert_clean(handler.text)
        assert "<SimpleNamespace>" in handler.text
    finally:
        log.removeHandler(handler)
        log.propagate = True
        uninstall()


def test_extras_show_in_json_lines(written: Written) -> None:
    logging.getLogger("some.library").warning("x", extra={"who": EMAIL, "shop": "acme"})
    assert_clean(written.text)
    if isinstance(written.formatter, JsonLines) and not isinstance(written.formatter, PlainLines):
        assert json.loads(written.text)["extra"] == {"who": "<EMAIL>", "shop": "acme"}


@pytest.mark.parametrize("name", ["uvicorn.access", "uvicorn.error", "httpx"])
def test_requests_lose_their_query(written: Written, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(name), "propagate", True)  # a server before in this process switches it off
    logging.getLogger(name).warning('%s - "%s %s HTTP/1.1" %d', "127.0.0.1:5", "GET", f"/v1/runs?q={SECRET}", 200)
    assert_clean(written.text)
    assert "/v1/runs?…" in written.text or "/v1/runs?\\u2026" in written.text


def test_finer_records_of_third_parties_are_not_written(written: Written) -> None:
    for name in ("httpcore.http11", "sqlalchemy.engine.Engine", "httpx", "openai._base_client"):
        logging.getLogger(name).info("Authorization: Bearer %s", SECRET)
    logging.getLogger("clearway.x").info("this is")
    assert_clean(written.text)


def test_sqlalchemy_hides_parameters_also_where_it_is_made_to_log(written: Written, tmp_path: Any) -> None:
    from sqlalchemy import text

    from clearway.adapters.sql.engine import open_engine, open_engine_for_dbos

    logging.getLogger("sqlalchemy.engine.Engine").setLevel(logging.INFO)
    try:
        for number, opened in enumerate((open_engine, open_engine_for_dbos)):
            engine = opened(f"sqlite:///{tmp_path}/x{number}.db")
            with pytest.raises(Exception, match="hidden") as raised, engine.begin() as connection:  # noqa: PT012
                connection.execute(text("SELECT :a"), {"a": SECRET})
                connection.execute(text("SELECT :a FROM nowhere"), {"a": SECRET})
            assert SECRET not in str(raised.value)
            engine.dispose()
    finally:
        logging.getLogger("sqlalchemy.engine.Engine").setLevel(logging.NOTSET)
    assert_clean(written.text)
    assert "hidden" in written.text


def test_warnings_are_logged_clean(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = __import__("clearway.adapters.logging.install", fromlist=["_on_warning"])._on_warning
        warnings.warn(f"deprecated for {EMAIL}", DeprecationWarning, stacklevel=1)
    assert_clean(written.text + capsys.readouterr().err)
    assert "DeprecationWarning" in written.text


def test_what_nobody_caught_in_a_thread_a_task_or_a_finalizer_is_logged_without_its_text(
    written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ValueError(SECRET)

    def in_thread(hook: Callable[[Any], None]) -> None:
        try:
            fail()
        except ValueError as error:
            hook(
                SimpleNamespace(
                    exc_type=ValueError,
                    exc_value=error,
                    exc_traceback=error.__traceback__,
                    thread=threading.current_thread(),
                    err_msg=None,
                    object=SECRET,
                )
            )

    in_thread(threading.excepthook)
    in_thread(sys.unraisablehook)

    async def never_retrieved() -> None:
        async def failing(card: str) -> None:
            raise ValueError(card)

        task = asyncio.ensure_future(failing(SECRET))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task

    asyncio.run(never_retrieved())
    printed = capsys.readouterr()
    assert_clean(written.text + printed.err + printed.out)
    assert written.text.count("ValueError") >= 3


def test_an_exception_that_ends_a_process_shows_no_text_and_leaves_no_core() -> None:
    script = (
        "import sys, resource\n"
        "from clearway.cli import logs\n"
        "from clearway.adapters.logging.install import forbid_core_dumps\n"
        "logs.configure({}); forbid_core_dumps()\n"
        "assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0\n"
        "def pay(card): raise ValueError(card)\n"
        f"pay({SECRET!r})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert SECRET not in done.stderr + done.stdout
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["exception"] == "ValueError"
    assert json.loads(line)["frames"][-1].endswith("pay")


def test_installing_can_be_undone() -> None:
    before = (logging.getLogRecordFactory(), sys.excepthook, threading.excepthook, sys.unraisablehook)
    install()()
    assert before == (logging.getLogRecordFactory(), sys.excepthook, threading.excepthook, sys.unraisablehook)


def test_what_cannot_be_looked_through_is_withheld(monkeypatch: pytest.MonkeyPatch, written: Written) -> None:
    from clearway.rules.find import Finder

    def fail(*_: Any) -> str:
        raise MemoryError

    monkeypatch.setattr(Finder, "scrub", fail)
    logging.getLogger("some.library").warning(SECRET)
    assert_clean(written.text)
    assert "<WITHHELD>" in written.text


# --- Threat 35 ---

NASTY = [
    'a\r\n{"level": "error", "message": "forged"}',
    "nul\0 in it",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    'quote"}\n{"message":"forged"}',
    "\u2028\u2029\x85\x0b\x0c",
    "\ud800 alone",
    "\u202eevil",
]


@pytest.mark.parametrize("text", NASTY)
def test_t35_a_record_is_one_valid_json_line_whatever_it_holds(text: str) -> None:
    handler = Written(JsonLines())
    log = logging.Logger("nasty")
    log.addHandler(handler)
    log.warning("%s", text, extra={"more": text, "deep": {text: [text]}})
    try:
        raise type(f"Bad{text}", (Exception,), {})(text)
    except Exception:
        log.exception(text)
    written = handler.text
    assert written.isascii()
    lines = written.splitlines()
    assert len(lines) == 2
    for line in lines:
        record = json.loads(line)
        assert {"at", "level", "logger", "message"} <= record.keys()
        assert record["level"] in ("warning", "error")


@pytest.mark.parametrize("text", NASTY)
def test_t35_a_line_for_people_is_one_line_and_acts_on_no_terminal(text: str) -> None:
    handler = Written(PlainLines())
    log = logging.Logger("nasty")
    log.addHandler(handler)
    log.warning("%s", text)
    written = handler.text.encode("utf-8", "backslashreplace").decode()
    assert len(written.splitlines()) == 1
    assert not any(char < " " or "\x7f" <= char < "\xa0" or char in "\u202e\u2028\u2029" for char in written[:-1])


# --- DBOS ---


def test_a_line_of_the_engine_passes_once_in_a_while_and_counts_what_was_left_out() -> None:
    now = [100.0]
    scrub = Scrub(lambda: now[0])

    def record(line: int) -> logging.LogRecord:
        return logging.LogRecord("dbos", logging.WARNING, "dbos/_sys_db.py", line, "lost: %s", (SECRET,), None)

    passed = [scrub.filter(record(1)) for _ in range(50)]
    assert passed == [True] + [False] * 49
    assert scrub.filter(record(2))
    now[0] += EVERY_S
    last = record(1)
    assert scrub.filter(last)
    assert "49 more since the last" in last.getMessage()
    assert SECRET not in last.getMessage()
