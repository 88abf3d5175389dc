"""The bench's own parts that a mistake in would show as a mistake of the gate."""

from contextvars import copy_context

from bench.trajectories import runtime
from bench.trajectories.runtime import Offered


def test_a_slow_run_carries_out_its_own_call_and_not_that_which_the_harness_has_come_to():
    carried_out = []

    def offered(name):
        def invoke():
            carried_out.append(name)
            return name, None

        return Offered(name, {}, [], invoke)

    slow, next_one = copy_context(), copy_context()
    slow.run(runtime._carried_out.set, offered("first"))
    next_one.run(runtime._carried_out.set, offered("second"))
    assert next_one.run(runtime._execute, "second", {})["content"] == "second"
    assert slow.run(runtime._execute, "first", {})["content"] == "first"
    assert carried_out == ["second", "first"]
