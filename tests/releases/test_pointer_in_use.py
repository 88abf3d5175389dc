"""Which release's policy decides: that of the pointer that was seen last, never of one that was seen before it."""

from typing import Any, cast

from clearway.adapters.cedar.released import ReleasedPolicy
from clearway.model.decision import Decision, Verdict
from clearway.model.identity import Scope
from clearway.model.release import Pointer

DEV = Scope("acme", "dev")


class Of:
    """The policy of a release: its decisions name it."""

    def __init__(self, release: str) -> None:
        self.release = release

    def decide(self, action: Any) -> Decision:
        return Decision(Verdict.ALLOW, "allowed", (self.release,))


class Asked:
    """All of an action that the choice of a policy looks at."""

    scope = DEV
    release = ""


def pointer(release: str, generation: int) -> Pointer:
    return Pointer(release, None, generation, 0.0, "olga", "")


def decided(policy: ReleasedPolicy) -> tuple[str, ...]:
    return policy.decide(cast("Any", Asked())).policies


def test_a_slow_look_does_not_undo_what_a_claim_has_just_seen() -> None:
    looks: list[str] = []

    def slow(scope: Scope) -> Pointer:
        looks.append("old")
        policy.saw(scope, pointer("good", 2))  # a claim reads the pointer while this look is under way
        return pointer("bad", 1)

    policy = ReleasedPolicy(
        cast("Any", Of("folder")), slow, lambda digest, _: cast("Any", Of(digest)), monotonic=lambda: 5.0
    )
    decided(policy)
    assert decided(policy) == ("good",)
    assert looks == ["old"]


def test_what_was_moved_is_looked_at_again() -> None:
    now = [pointer("bad", 1)]
    policy = ReleasedPolicy(
        cast("Any", Of("folder")), lambda _: now[0], lambda digest, _: cast("Any", Of(digest)), monotonic=lambda: 5.0
    )
    assert decided(policy) == ("bad",)
    now[0] = pointer("good", 2)
    assert decided(policy) == ("bad",), "it was looked at just now"
    policy.forget(DEV)
    assert decided(policy) == ("good",)
