"""`ports.Policy` on Cedar: deny by default, and any error is a deny (architecture.md, "The road" step 2)."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from clearway.adapters.cedar import context, schema
from clearway.adapters.cedar.argument_types import RecordOf, arguments_type
from clearway.adapters.cedar.asking import Questions
from clearway.adapters.cedar.checking import check_policy
from clearway.adapters.cedar.checking_context import unknown_paths
from clearway.adapters.cedar.explaining import explanation
from clearway.adapters.cedar.people import strangers, unfillable
from clearway.adapters.cedar.policies import LoadedPolicy, PolicyFile, load
from clearway.adapters.cedar.slices import Slices
from clearway.adapters.cedar.values import Mismatch
from clearway.adapters.cedar.weighing import deny, weigh
from clearway.model.action import Action
from clearway.model.decision import Decision
from clearway.model.errors import ConfigError
from clearway.model.tool import ToolSpec
from clearway.rules.sequences import PERIODS, SETS


class CedarPolicy:
    """Decides actions by the policies of a project. Immutable; safe to share between threads.

    With problems (`check`) nothing is allowed: a policy that could not be loaded might have forbidden.
    """

    def __init__(
        self,
        tools: Mapping[str, ToolSpec],
        skills: Collection[str],
        environments: Collection[str],
        policies: Sequence[PolicyFile],
        *,
        groups: Mapping[str, int] | None = None,
        roles: Collection[str] | None = None,
        beside: "CedarPolicy | None" = None,
    ) -> None:
        """`groups`: the number of people in each, `roles`: those that somebody has; None where they are not known.
        `beside`: a set of the same project; what stands there word for word and is sound is not checked again."""
        self._tools = dict(tools)
        self._environments = frozenset(environments)
        arguments = {name: arguments_type(spec.schema) for name, spec in tools.items()}
        cedar_schema = schema.cedar_schema({name: (spec.impact, arguments[name]) for name, spec in tools.items()})
        loaded, self._problems = load(policies)
        self._faults = [policy.fault for policy in loaded if policy.fault is not None]
        self._warnings: list[ConfigError] = []
        if groups is not None:
            loaded = [self._with_groups(policy, groups) for policy in loaded]
        if roles is not None:
            self._warnings = [warning for policy in loaded for warning in strangers(policy, "Role", roles)]
        self._policies = {policy.id: policy for policy in loaded}
        self._sound = frozenset(policy.text for policy in (beside and beside.in_force) or ())
        self._problems += self._check(cedar_schema, frozenset(skills), arguments)
        self._slices = Slices(loaded, {name: _action_names(name, spec) for name, spec in tools.items()})
        self._history_read = {name: self._asked_of(name, arguments[name]) for name in self._tools}
        self._labels_read = frozenset(name for name in self._tools if self._asks_for_labels(name))
        self._questions = Questions(self._tools, arguments, self._policies, self._slices)
        self._digest = self._digest_with(cedar_schema)
        self._schema = cedar_schema

    @property
    def digest(self) -> str:
        """`sha256:` of what decides: the parsed policies with their annotations, the schema and the environments.

        White space, comments, order and file names don't count.
        """
        return self._digest

    @property
    def schema(self) -> Mapping[str, Any]:
        """The schema of the project's tools, in Cedar's JSON form."""
        return self._schema

    @property
    def in_force(self) -> tuple[LoadedPolicy, ...] | None:
        """What decides; None where a problem denies everything."""
        return None if self._problems else tuple(self._policies.values())

    @property
    def broken(self) -> str | None:
        """Why nothing is allowed at all; None where the policies are in force. It says where the first problem is, not
        its words: they quote the file, and whoever asks for a run may not read that."""
        if not self._problems:
            return None
        first = min(self._problems, key=lambda problem: (problem.file, problem.line))
        place = f", the first in {PurePath(first.file).name}:{first.line}" if first.file else ""
        count = f"{len(self._problems)} problem(s){place}"
        return f"The policies have {count}, so nothing is allowed. See `clearway policy check`."

    def check(self) -> list[ConfigError]:
        """Every problem of every policy, by file and line; empty where the policies can be put in force."""
        return sorted([*self._problems, *self._faults], key=lambda problem: (problem.file, problem.line))

    def warnings(self) -> list[ConfigError]:
        """What is no mistake by itself but may be one: roles that nobody has."""
        return sorted(self._warnings, key=lambda problem: (problem.file, problem.line))

    def decide(self, action: Action) -> Decision:
        """Never raises: an error is a deny with code `policy_error` or, for arguments, `schema_mismatch`."""
        try:
            refusal = self._refusal(action)
            return refusal or weigh(self._questions.answers(action), self._policies, action.tool)
        except Mismatch as mismatch:
            return deny("schema_mismatch", f"{action.tool} is denied, as policy can't see it whole: {mismatch}.")
        except Exception as error:
            return deny("policy_error", f"The decision failed with {type(error).__name__}, so the action is denied.")

    def labels_read(self, tool: str) -> bool:
        return tool in self._labels_read

    def history_read(self, tool: str) -> frozenset[str]:
        """As `ports.Policy` says: `done`, `count.user_day`, `sum.amount_minor.target_day`."""
        return self._history_read.get(tool, frozenset())

    def explain(self, action: Action) -> dict[str, Any]:
        """For people: the decision, and for each party and target which policies made it and which permits fell short.

        JSON values only, and of the action none but the tool's name and the number of its targets.
        """
        decision = self.decide(action)
        try:
            if self._refusal(action):
                return explanation(action.tool, decision, [], {}, self._policies, [])
            answers = self._questions.answers(action)
            slices = self._questions.asked(action).slices()
        except Exception:  # the decision says it already
            return explanation(action.tool, decision, [], {}, self._policies, [])
        return explanation(action.tool, decision, answers, slices, self._policies, self._slices.concerning(action.tool))

    def _refusal(self, action: Action) -> Decision | None:
        """What is denied before any policy is asked. Names from the call are not echoed: a model may have made them."""
        if action.tool not in self._tools:
            return deny("unlisted_tool", "The project declares no such tool.")
        if action.scope.environment not in self._environments:
            return deny("unknown_environment", "The project declares no such environment.")
        for party in (action.agent, action.user):
            if party.scope != action.scope:
                return deny("wrong_tenant", f"The {party.kind} belongs to another tenant or environment.")
        if self.broken is not None:
            return deny("policy_error", self.broken)
        return None

    def _with_groups(self, policy: LoadedPolicy, groups: Mapping[str, int]) -> LoadedPolicy:
        """Notes what is wrong with the groups that it names. An approval that nobody can give is a fault, hence a deny
        where the policy permits; the other policies stay in force."""
        faults = list(unfillable(policy, groups))
        self._faults += [*faults, *strangers(policy, "Group", groups)]
        return replace(policy, fault=faults[0]) if faults and policy.fault is None else policy

    def _asks_for_labels(self, tool: str) -> bool:
        return context.labels_read(policy.est for policy in self._slices.concerning(tool))

    def _asked_of(self, tool: str, arguments: RecordOf) -> frozenset[str]:
        """INVARIANT: all that a policy can read of the history is in it: what is not looked up errs."""
        every = frozenset((*SETS, *(f"count.{period}" for period in PERIODS)))
        every |= {f"sum.{name}.{period}" for name in context.summed(arguments) for period in PERIODS}
        asked = context.history_read(policy.est for policy in self._slices.concerning(tool))
        if "*" in asked:
            return every
        return frozenset(one for one in every if any(one == name or one.startswith(f"{name}.") for name in asked))

    def _check(
        self, cedar_schema: dict[str, Any], skills: frozenset[str], arguments: Mapping[str, RecordOf]
    ) -> list[ConfigError]:
        taken = sorted(self._tools.keys() & schema.GROUPS)
        if taken:
            return [ConfigError(f'A tool is called "{taken[0]}", the name of an impact.', remedy="Rename the tool.")]
        try:
            parsed = schema.handle(cedar_schema)
        except ValueError as error:
            return [
                ConfigError(f"Cedar refuses the schema made of the tools: {error}.", remedy="Simplify their types.")
            ]
        return [
            problem
            for policy in self._policies.values()
            if policy.text not in self._sound
            for problem in [
                *check_policy(policy, parsed, self._tools, skills, self._environments),
                *unknown_paths(policy, self._tools, arguments),
            ]
        ]

    def _digest_with(self, cedar_schema: dict[str, Any]) -> str:
        policies = {policy.id: [policy.est, policy.annotations] for policy in self._policies.values()}
        whole = [policies, cedar_schema, sorted(self._environments), len(self._problems)]
        # Not RFC 8785: a policy may hold integers of 64 bits, which that refuses.
        text = json.dumps(whole, sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(b"clearway/policy/v1\0" + text.encode()).hexdigest()


def _action_names(name: str, spec: ToolSpec) -> frozenset[str]:
    return frozenset({name, schema.impact_group(spec.impact)})
