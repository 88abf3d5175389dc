"""Names of people in policies: groups and roles that nobody of the project has, and quorums that no group can fill."""

import re
from collections.abc import Collection, Iterator, Mapping

from clearway.adapters.cedar.checking import nearest
from clearway.adapters.cedar.expressions import entities_named
from clearway.adapters.cedar.policies import LoadedPolicy, placed
from clearway.model.errors import ConfigError


def unfillable(policy: LoadedPolicy, groups: Mapping[str, int]) -> Iterator[ConfigError]:
    """What makes the policy's approval one that nobody can give. `groups`: the number of people in each."""
    for factor in policy.rule.factors if policy.rule else ():
        if factor.group not in groups:
            yield _annotated(policy, f'@approvers names "{factor.group}", which is not a group', factor.group, groups)
        elif groups[factor.group] < factor.n:
            at = "@quorum" if "quorum" in policy.annotations else "@approvers"
            yield placed(
                ConfigError(
                    f"{at} asks for {factor.n} of {factor.group}, which has {groups[factor.group]}.",
                    remedy="Ask for fewer, or name more members.",
                ),
                policy.file,
                policy.line,
                policy.text,
            )
    if policy.rule and policy.rule.escalate_to is not None and policy.rule.escalate_to not in groups:
        group = policy.rule.escalate_to
        yield _annotated(policy, f'@escalate_to names "{group}", which is not a group', group, groups)


def strangers(policy: LoadedPolicy, type_: str, known: Collection[str]) -> Iterator[ConfigError]:
    """Each `Group::"…"` or `Role::"…"` of scope and conditions that nobody has."""
    for name in dict.fromkeys(entities_named(policy.est, type_)):
        if name not in known:
            found = re.search(rf'\b{type_}\s*::\s*"{re.escape(name)}"', policy.text)
            yield ConfigError(
                f'Policy "{policy.id}": nobody has the {type_.lower()} "{name}".',
                file=policy.file,
                line=policy.line + (policy.text.count("\n", 0, found.start()) if found else 0),
                remedy=nearest(name, known, type_.lower()),
            )


def _annotated(policy: LoadedPolicy, what: str, name: str, groups: Collection[str]) -> ConfigError:
    problem = ConfigError(f"{what}.", remedy=nearest(name, groups, "group"))
    return placed(problem, policy.file, policy.line, policy.text)
