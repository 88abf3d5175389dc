"""The embedded router on labelled texts, by the product's own road: skills with examples, routes, `evaluate`.

`run` measures CLINC150 (150 intents; Larson et al., 2019), validation part, where the data is at hand: all of the
training part, and 10 texts an intent with three seeds. Texts out of scope (the 200 of both parts) are never trained on.
Beside it in the same run: scikit-learn's TF-IDF with a linear SVM, and logistic regression on the same encoder's
sentence vectors. p50 is of one query on one thread, in wall time and in processor time (other work on the machine
counts in the first only). `small_…`: projects of 5 skills with 3 examples each, where the built-in threshold decides.

Any other dataset: `python -m bench.router --train FILE --test FILE [--shots 10 --seeds 3] [--json]`, JSON lines
`{"text": …, "skill": … or null}` or `{"t": …, "y": …}` with `oos`, plain or .xz.
"""

import argparse
import json
import lzma
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clearway.adapters.router.embedded import EmbeddedRouter
from clearway.adapters.router.encoder import Encoder
from clearway.model.tool import SkillSpec
from clearway.rules.route import Route
from clearway.rules.routing.dataset import Labelled
from clearway.rules.routing.evaluation import auroc, evaluate, false_accepts_at
from clearway.rules.routing.tfidf import TfidfRouter

DATA = Path(__file__).parents[2] / "shared" / "data" / "intents"
OUT_OF_SCOPE = "oos"
SHOTS, SEEDS = 10, 3
SMALL_PROJECTS, SMALL_SKILLS, SMALL_SHOTS = 40, 5, 3

Figures = dict[str, float]


def run() -> Figures:
    """Accuracies and shares in percent, p50 in milliseconds. Empty where the data is not at hand."""
    if not (DATA / "clinc150_train.jsonl.xz").exists():
        print("router: skipped, the CLINC150 data is not at hand")
        return {}
    train, test = read(DATA / "clinc150_train.jsonl.xz"), read(DATA / "clinc150_val.jsonl.xz")
    test += [row for row in train if row.skill is None]
    with tempfile.TemporaryDirectory() as cache:
        figures = measure(train, test, None, Path(cache), "full")
        few = [measure(train, test, seed, Path(cache), "10_shot") for seed in range(SEEDS)]
        figures |= {name: statistics.mean(one[name] for one in few) for name in few[0]}
        figures |= small_projects(train, test)
    return {name: round(value, 4) for name, value in figures.items()}


def measure(
    train: Sequence[Labelled], test: Sequence[Labelled], seed: int | None, cache: Path, tag: str, shots: int = SHOTS
) -> Figures:
    """The product's router and the baselines, trained on all of `train`, or with a `seed` on so many texts a skill."""
    chosen = [row for row in train if row.skill is not None] if seed is None else pick(train, shots, seed)
    skills = skills_of(chosen)
    router = EmbeddedRouter({}, cache)
    began = time.perf_counter()
    router.route("warm up", skills)
    took = time.perf_counter() - began
    assert router.fallback is None, router.route("warm up", skills).why
    routes, wall, cpu = routed(lambda text: router.route(text, skills), test)
    found = evaluate(list(zip(test, routes, strict=True)))
    figures = {
        f"{tag}_accuracy": 100 * (found.accuracy.value or 0),
        f"{tag}_taken_in_scope": 100 * (found.taken.value or 0),
        f"{tag}_right_of_taken": 100 * (found.right_where_taken.value or 0),
        f"{tag}_p50_ms": wall,
        f"{tag}_p50_cpu_ms": cpu,
        f"{tag}_training_s": took,
    }
    if found.auroc and found.fpr_at_95:
        figures |= {
            f"{tag}_auroc": found.auroc.value,
            f"{tag}_fpr95": 100 * found.fpr_at_95.value,
            f"{tag}_taken_out_of_scope": 100 * (found.false_accepts.value or 0),
        }
    return figures | {f"{tag}_{name}": value for name, value in baselines(chosen, test).items()}


def baselines(train: Sequence[Labelled], test: Sequence[Labelled]) -> Figures:
    """scikit-learn as one would use it: what it scores is the largest decision value or probability."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_union
    from sklearn.svm import LinearSVC

    answers, texts = [row.skill for row in train], [row.text for row in train]
    grams = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    svm = LinearSVC(random_state=0).fit(grams.fit_transform(texts), answers)
    encoder = Encoder(2)
    regression = LogisticRegression(C=10, max_iter=300).fit(encoder.encode(texts)[:, 0], answers)
    asked = [row.text for row in test]
    return scored("svm", svm.classes_, svm.decision_function(grams.transform(asked)), test) | scored(
        "lr", regression.classes_, regression.predict_proba(encoder.encode(asked)[:, 0]), test
    )


def scored(name: str, classes: Any, values: Any, test: Sequence[Labelled]) -> Figures:
    best, scores = classes[values.argmax(axis=1)], values.max(axis=1).tolist()
    inside = [score for score, row in zip(scores, test, strict=True) if row.skill is not None]
    outside = [score for score, row in zip(scores, test, strict=True) if row.skill is None]
    right = sum(b == row.skill for b, row in zip(best, test, strict=True) if row.skill is not None)
    figures = {f"{name}_accuracy": 100 * right / len(inside)}
    if outside:
        figures |= {f"{name}_auroc": auroc(inside, outside), f"{name}_fpr95": 100 * false_accepts_at(inside, outside)}
    return figures


def small_projects(train: Sequence[Labelled], test: Sequence[Labelled]) -> Figures:
    """The built-in scales: random projects; out of scope are texts of other intents, and those out of scope."""
    figures: Figures = {}
    encoder = Encoder(2)
    for kind in ("embedded", "tfidf"):
        inside: list[Route] = []
        right: list[bool] = []
        outside: list[Route] = []
        for seed in range(SMALL_PROJECTS):
            chance = random.Random(seed)  # noqa: S311
            names = chance.sample(sorted({row.skill for row in train if row.skill is not None}), SMALL_SKILLS)
            skills = skills_of([row for row in pick(train, SMALL_SHOTS, seed) if row.skill in names])
            router = EmbeddedRouter({}, None, encoder=lambda _: encoder) if kind == "embedded" else TfidfRouter({})
            for row in [row for row in test if row.skill in names][:50]:
                inside.append(router.route(row.text, skills))
                right.append(inside[-1].skill == row.skill)
            others = chance.sample([row for row in test if row.skill not in names], 30)
            outside += [router.route(row.text, skills) for row in others]
        figures |= {
            f"small_{kind}_taken_in_scope": 100 * statistics.mean(route.skill is not None for route in inside),
            f"small_{kind}_right_in_scope": 100 * statistics.mean(right),
            f"small_{kind}_taken_out_of_scope": 100 * statistics.mean(route.skill is not None for route in outside),
        }
    return figures


def routed(route: Callable[[str], Route], test: Sequence[Labelled]) -> tuple[list[Route], float, float]:
    """(routes, p50 of the wall time in ms, p50 of the processor time in ms)."""
    routes: list[Route] = []
    walls, cpus = [], []
    for row in test:
        wall, cpu = time.perf_counter(), time.process_time()
        routes.append(route(row.text))
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return routes, 1000 * statistics.median(walls), 1000 * statistics.median(cpus)


def skills_of(rows: Sequence[Labelled]) -> dict[str, SkillSpec]:
    """A skill for each label, with its texts as examples; the label is its name."""
    examples: dict[str, list[str]] = {}
    for row in rows:
        examples.setdefault(str(row.skill), []).append(row.text)

    async def nothing(run: object) -> None: ...

    return {
        name: SkillSpec(name, "", nothing, frozenset(), lambda given, text="": dict(given), examples=tuple(texts))
        for name, texts in examples.items()
    }


def pick(rows: Sequence[Labelled], shots: int, seed: int) -> list[Labelled]:
    """So many texts of each skill."""
    by_skill: dict[str, list[Labelled]] = {}
    for row in rows:
        if row.skill is not None:
            by_skill.setdefault(row.skill, []).append(row)
    chance = random.Random(seed)  # noqa: S311
    return [
        row for skill in sorted(by_skill) for row in chance.sample(by_skill[skill], min(shots, len(by_skill[skill])))
    ]


def read(path: Path) -> list[Labelled]:
    content = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    rows = [json.loads(line) for line in content.decode().splitlines() if line.strip()]
    found = [(row.get("text", row.get("t")), row.get("skill", row.get("y"))) for row in rows]
    return [Labelled(text, None if skill in (None, OUT_OF_SCOPE) else skill) for text, skill in found]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.router")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--shots", type=int, help="texts a skill; else all of them")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    train, test = read(given.train), read(given.test)
    seeds: list[int | None] = [None] if given.shots is None else list(range(given.seeds))
    with tempfile.TemporaryDirectory() as cache:
        every = [measure(train, test, seed, Path(cache), "test", given.shots or SHOTS) for seed in seeds]
    figures = {name: round(statistics.mean(one[name] for one in every), 4) for name in every[0]}
    print(
        json.dumps(figures)
        if given.json
        else "\n".join(f"{name:<28} {value:>10.3f}" for name, value in figures.items())
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
