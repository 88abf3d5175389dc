"""The evidence against a canary: found soon where it is bad, and hardly ever where it is not."""

import itertools
import json
import math
import random

import pytest

from clearway.rules.releases.course import MOST_POINTS, Course
from clearway.rules.releases.evidence import Contest, Duel, Rate
from clearway.rules.releases.guard import Advice, Ended, Guard, Terms


def requests_until_alarm(rate: float, seed: int, most: int = 400) -> int:
    chance, guard = random.Random(seed), Guard.begin(Terms(route_shift=0.02))
    for number in range(1, most + 1):
        guard.note_route(differs=chance.random() < rate)
        if guard.advice()[0] is Advice.ROLL_BACK:
            return number
    return most + 1


def test_thirty_percent_of_mis_routes_are_found_within_a_hundred_requests() -> None:
    found = sorted(requests_until_alarm(0.3, seed) for seed in range(200))
    assert found[197] <= 100


def test_what_was_declared_raises_no_alarm() -> None:
    assert all(requests_until_alarm(0.02, seed, most=1_000) > 1_000 for seed in range(20))


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_a_rates_evidence_is_worth_one_on_average_where_the_null_holds(rate: float) -> None:
    """By the exact sum over all outcomes of eight requests, no simulation."""
    tolerated = 0.3
    total = 0.0
    for hits in range(9):
        weight = math.comb(8, hits) * (rate * tolerated) ** hits * (1 - rate * tolerated) ** (8 - hits)
        total += weight * math.exp(Rate(tolerated, 8, hits).log_e)
    assert total <= 1 + 1e-9


@pytest.mark.parametrize(
    ("canary", "control"), [(0.1, 0.1), (0.5, 0.5), (0.2, 0.6), (0.0, 0.3), (0.9, 0.9), (0.7, 1.0)]
)
def test_a_contests_evidence_is_worth_at_most_one_where_the_canary_is_no_worse(canary: float, control: float) -> None:
    """By the exact expectation over all outcomes of four blocks."""
    total = 0.0
    for outcomes in range(4**4):
        contest, weight = Contest(), 1.0
        for block in range(4):
            left, right = bool(outcomes >> (2 * block) & 1), bool(outcomes >> (2 * block + 1) & 1)
            weight *= (canary if left else 1 - canary) * (control if right else 1 - control)
            contest.control(right)
            contest.canary(left)
        total += weight * math.exp(contest.log_e)
    assert total <= 1 + 1e-9


def test_a_canary_that_fails_more_is_found_by_its_failures() -> None:
    chance, guard = random.Random(7), Guard.begin(Terms())
    for _ in range(600):
        guard.note_end(Ended(chance.random() < 0.03, False, False, 1.0), canary=False)
        guard.note_end(Ended(chance.random() < 0.4, False, False, 1.0), canary=True)
        if guard.advice()[0] is Advice.ROLL_BACK:
            break
    assert guard.advice() == (Advice.ROLL_BACK, "failures")


def test_a_canary_that_is_slower_every_time_is_found_by_its_durations() -> None:
    duel = Duel()
    for _ in range(60):
        duel.control(1.0)
        duel.canary(1.5)
    assert duel.log_e > math.log(1e5)


def test_equal_figures_are_no_evidence() -> None:
    duel = Duel()
    for _ in range(500):
        duel.control(1.0)
        duel.canary(1.0)
    assert duel.log_e < 0


def test_an_outcome_without_a_partner_waits_and_only_the_latest_do() -> None:
    contest = Contest()
    contest.canary(True)
    assert contest.blocks == 0
    for _ in range(100):
        contest.control(False)
    assert len(contest.waiting) == Contest.MOST_WAITING


def test_it_is_promoted_after_what_was_agreed_and_never_when_nothing_was() -> None:
    guard = Guard.begin(Terms(promote_after=50))
    for _ in range(49):
        guard.note_route(differs=False)
    assert guard.advice()[0] is Advice.WATCH
    guard.note_route(differs=False)
    assert guard.advice()[0] is Advice.PROMOTE
    patient = Guard.begin(Terms())
    for _ in range(5_000):
        patient.note_route(differs=False)
    assert patient.advice()[0] is Advice.WATCH


def test_a_guard_is_the_same_after_a_trip_through_the_store() -> None:
    chance, guard = random.Random(3), Guard.begin(Terms(route_shift=0.05, promote_after=900, acts=False))
    for _ in range(60):
        guard.note_route(differs=chance.random() < 0.1)
        run = Ended(chance.random() < 0.2, chance.random() < 0.2, chance.random() < 0.2, chance.random(), 0.01)
        guard.note_end(run, canary=chance.random() < 0.3)
        before = guard.as_json()
        guard = Guard.read(json.loads(json.dumps(before)))
        assert guard.as_json() == before


@pytest.mark.parametrize("looks", [1, MOST_POINTS, MOST_POINTS + 1, 1_000, 100_000])
def test_the_course_of_the_evidence_stays_small_and_even_however_long_the_canary_runs(looks: int) -> None:
    course = Course()
    for number in range(1, looks + 1):
        course.note(float(number), [number / 1_000, 0.0])
    assert min(looks, MOST_POINTS // 2) <= len(course.points) <= MOST_POINTS
    apart = {later.looks - earlier.looks for earlier, later in itertools.pairwise(course.points)}
    assert apart <= {course.stride}
    assert looks - course.points[-1].looks < course.stride
    assert all(point.at == point.looks for point in course.points)


def test_a_guard_keeps_its_course_where_it_is_stored_and_one_of_earlier_code_begins_it() -> None:
    guard = Guard.begin(Terms())
    for number in range(300):
        guard.note_route(differs=number % 3 == 0)
        guard.note_look(float(number))
    stored = json.loads(json.dumps(guard.as_json()))
    assert Guard.read(stored).as_json() == guard.as_json()
    assert len(json.dumps(stored["course"])) < 8_000
    del stored["course"]
    earlier = Guard.read(stored)
    earlier.note_look(5.0)
    assert [point.looks for point in earlier.course.points] == [1]
