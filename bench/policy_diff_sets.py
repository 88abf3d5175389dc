"""Sets of policies as projects have them: the support desk's own, payments, operations, a clinic, buying."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clearway.adapters.cedar import PolicyFile
from clearway.adapters.z3.plausible import KnownWorld
from clearway.model.identity import Principal, Scope
from clearway.model.tool import Impact, SkillSpec, ToolSpec
from clearway.operate.policy_bench import group_sizes
from clearway.operate.policy_diff import world_of
from clearway.project.load import load_project

_DESK = Path(__file__).parents[1] / "examples" / "support_desk"
ENVIRONMENTS = ("dev", "staging", "prod")
TENANTS = ("acme", "globex")


@dataclass(frozen=True, slots=True)
class PolicySet:
    name: str
    world: KnownWorld
    text: str
    groups: dict[str, int]

    def files(self, text: str) -> list[PolicyFile]:
        return [PolicyFile("policies/all.cedar", text)]


def _schema(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _tool(name: str, impact: Impact, schema: dict[str, Any], **more: Any) -> ToolSpec:
    return ToolSpec(name, "", impact, print, lambda raw: dict(raw), schema, "sha256:0", lambda _: [], **more)


def _world(tools: list[ToolSpec], skills: dict[str, list[str]], roles: dict[str, list[str]]) -> KnownWorld:
    people = [
        Principal("user", name, Scope("acme", environment), frozenset(held))
        for name, held in roles.items()
        for environment in ENVIRONMENTS
    ]
    specs = {
        name: SkillSpec(name, "", _nothing, frozenset(listed), lambda given, text="": dict(given))
        for name, listed in skills.items()
    }
    return KnownWorld({tool.name: tool for tool in tools}, specs, ENVIRONMENTS, TENANTS, people)


async def _nothing() -> None: ...


_STRING, _LONG, _BOOL, _NUMBER = ({"type": kind} for kind in ("string", "integer", "boolean", "number"))
_MAYBE = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
_STRINGS = {"type": "array", "items": _STRING}

PAYMENTS = """
@id("tenants-apart") forbid (principal, action, resource) unless { principal.tenant == resource.tenant };
@id("no-sanctioned-countries") forbid (principal, action == Action::"transfer", resource)
when { ["KP", "IR", "SY"].contains(context.arguments.country) };
@id("clerks-look") permit (principal in Role::"clerk", action in [Action::"balance", Action::"statement"], resource);
@id("auditors-look") permit (principal in Role::"auditor", action in Action::"impact:read", resource);
@id("clerks-pay-small-domestic") permit (principal in Role::"clerk", action == Action::"transfer", resource)
when { context.arguments.country == "DE" && context.arguments.currency == "EUR"
  && context.arguments.amount_minor > 0 && context.arguments.amount_minor <= 50000 };
@id("clerks-pay-abroad-with-treasury")
@obligation("require_approval") @approvers("treasury") @decision_ttl("2h")
permit (principal in Role::"clerk", action == Action::"transfer", resource)
when { context.arguments.amount_minor > 0 && context.arguments.amount_minor <= 1000000
  && (context.arguments.country != "DE" || context.arguments.amount_minor > 50000) };
@id("treasurers-pay-large")
@obligation("require_approval") @approvers("treasury:2, risk:1") @decision_ttl("30m") @execution_ttl("5m")
@escalate_to("board")
permit (principal in Role::"treasurer", action == Action::"transfer", resource)
when { context.arguments.amount_minor > 1000000 && context.arguments.amount_minor <= 100000000 };
@id("never-more-than-a-million") forbid (principal, action == Action::"transfer", resource)
when { context.arguments.amount_minor > 100000000 };
@id("fees-count-too") forbid (principal, action == Action::"transfer", resource)
when { context.arguments has fee_minor && context.arguments.fee_minor > context.arguments.amount_minor };
@id("iban-is-ours-or-european") forbid (principal, action == Action::"transfer", resource)
unless { context.arguments.iban like "DE*" || context.arguments.iban like "FR*" || context.arguments.iban like "AT*"
  || principal in Role::"treasurer" || principal is Agent };
@id("payee-from-a-trusted-source") forbid (principal, action == Action::"transfer", resource)
when { context.untrusted_consequential.contains("iban") };
@id("daily-sum") forbid (principal, action == Action::"transfer", resource)
when { context.sum.amount_minor.user_day > 5000000 };
@id("look-before-you-pay") forbid (principal, action == Action::"transfer", resource)
unless { context.done.contains("balance") };
@id("freeze-changes-in-prod") forbid (principal in Role::"clerk", action == Action::"change_limit", resource)
when { context.environment == "prod" };
@id("limits") @obligation("require_approval") @approvers("risk") @quorum("2")
permit (principal, action == Action::"change_limit", resource)
when { principal in [Role::"clerk", Role::"treasurer"] && context.arguments.limit_minor <= 10000000
  && context.reason_given };
@id("pay-desk") permit (principal == Agent::"pay_desk", action, resource);
@id("reporter") permit (principal == Agent::"reporter", action in Action::"impact:read", resource);
"""

OPERATIONS = """
@id("own-tenant") permit (principal in Role::"sre", action == Action::"logs", resource)
when { resource.tenant == principal.tenant };
@id("developers-logs") permit (principal in Role::"developer", action == Action::"logs", resource)
when { resource.tenant == principal.tenant && context.environment != "prod" };
@id("restart-anywhere-but-prod") permit (principal in Role::"developer", action == Action::"restart", resource)
when { ["dev", "staging"].contains(context.environment) && context.arguments.replicas < 4 };
@id("sre-restarts") permit (principal in Role::"sre", action == Action::"restart", resource)
when { context.arguments.replicas <= 10 }
unless { context.arguments has force && context.arguments.force };
@id("forced-restarts-wait") @obligation("require_approval") @approvers("oncall") @decision_ttl("15m")
permit (principal in Role::"sre", action == Action::"restart", resource)
when { context.arguments has force && context.arguments.force };
@id("deploy-canary") permit (principal in Role::"sre", action == Action::"deploy", resource)
when { context.arguments.percent <= 10 && context.arguments.service like "web-*" };
@id("deploy-wide") @obligation("require_approval") @approvers("oncall:1, leads:1") @execution_ttl("10m")
permit (principal in Role::"sre", action == Action::"deploy", resource)
when { context.arguments.percent > 10 && context.arguments.percent <= 100 };
@id("no-deploy-of-billing") forbid (principal, action == Action::"deploy", resource)
when { context.arguments.service like "billing-*" && !(principal in Group::"billing") && !(principal is Agent) };
@id("no-blind-deploys") forbid (principal, action == Action::"deploy", resource)
when { context.environment == "prod" && !context.arguments.checks.containsAll(["tests", "scan"]) };
@id("no-latest") forbid (principal, action == Action::"deploy", resource)
when { context.arguments.tag == "latest" || context.arguments.tag like "*-dirty" };
@id("drop-never-in-prod") forbid (principal, action == Action::"drop_table", resource)
when { context.environment == "prod" || context.impact != "external" };
@id("drop") @obligation("require_approval") @approvers("dba:2") @escalate_to("leads")
permit (principal in Role::"dba", action == Action::"drop_table", resource)
when { if context.arguments.rows > 1000 then context.reason_given else true };
@id("three-restarts-an-hour") forbid (principal, action == Action::"restart", resource)
when { context.count.user_hour >= 3 };
@id("bots") permit (principal is Agent, action in [Action::"logs", Action::"restart", Action::"deploy"], resource);
@id("dba-bot") permit (principal == Agent::"db_keeper", action == Action::"drop_table", resource);
"""

CLINIC = """
@id("one-clinic") forbid (principal, action, resource) unless { principal in resource.tenant };
@id("nurses-read") permit (principal in Role::"nurse", action == Action::"read_chart", resource)
when { resource.kind == "patient" && !context.arguments.fields.contains("genetics") };
@id("doctors-read") permit (principal in Role::"doctor", action == Action::"read_chart", resource)
when { resource.kind == "patient" };
@id("billing-reads-little") permit (principal in Role::"billing", action == Action::"read_chart", resource)
when { ["name", "insurance", "address"].containsAll(context.arguments.fields) && !context.arguments.fields.isEmpty() };
@id("doctors-prescribe") permit (principal in Role::"doctor", action == Action::"prescribe", resource)
when { context.arguments.dose.lessThanOrEqual(decimal("50.0")) && context.arguments.days <= 30 };
@id("strong-doses-wait") @obligation("require_approval") @approvers("pharmacy") @decision_ttl("1h")
permit (principal in Role::"doctor", action == Action::"prescribe", resource)
when { context.arguments.dose.greaterThan(decimal("50.0")) && context.arguments.dose.lessThan(decimal("200.0")) };
@id("courses-have-a-bound") forbid (principal, action == Action::"prescribe", resource)
when { context.arguments.days * context.arguments.per_day > 120 };
@id("no-opioids-without-note") forbid (principal, action == Action::"prescribe", resource)
when { context.arguments.drug like "opioid/*" } unless { context.arguments has note && context.arguments.note != "" };
@id("share-within") permit (principal in Role::"doctor", action == Action::"share", resource)
when { context.arguments.recipient like "*@clinic.example" };
@id("share-outside") @obligation("require_approval") @approvers("privacy:2") @decision_ttl("4h") @execution_ttl("2m")
permit (principal in Role::"doctor", action == Action::"share", resource)
when { !(context.arguments.recipient like "*@clinic.example") && context.arguments.consent };
@id("never-share-genetics") forbid (principal, action == Action::"share", resource)
when { context.arguments.fields.containsAny(["genetics", "psychiatry"]) };
@id("never-share-others-data") forbid (principal, action == Action::"share", resource)
unless { context.other_tenants.isEmpty() };
@id("no-cards-by-mail") forbid (principal, action == Action::"share", resource)
when { context.private.contains("CARD") };
@id("recipients-are-not-made-up") forbid (principal, action == Action::"share", resource)
when { context.untrusted.contains("recipient") && !context.endorsed.contains("recipient") };
@id("export") @obligation("require_approval") @approvers("privacy") @quorum("2")
permit (principal in Group::"research", action == Action::"export", resource)
when { context.arguments.rows <= 5000 && context.environment == "prod" };
@id("no-export-after-reading") forbid (principal, action == Action::"export", resource)
when { context.begun.contains("read_chart") };
@id("assistants") permit (principal in Role::"assistant", action in Action::"impact:read", resource);
@id("ward-agent") permit (principal == Agent::"ward", action in [Action::"read_chart", Action::"prescribe"], resource);
@id("desk-agent") permit (principal == Agent::"front_desk", action in [Action::"share", Action::"export"], resource);
"""

BUYING = """
@id("own-orders") forbid (principal, action, resource) unless { resource.tenant == principal.tenant };
@id("catalogue") permit (principal, action == Action::"search", resource);
@id("buyers-order") permit (principal in Role::"buyer", action == Action::"order", resource)
when { context.arguments.total_minor <= 100000 && context.arguments.address.country == "DE" };
@id("buyers-order-more") @obligation("require_approval") @approvers("managers") @decision_ttl("8h")
permit (principal in Role::"buyer", action == Action::"order", resource)
when { context.arguments.total_minor > 100000 && context.arguments.total_minor <= 2500000 };
@id("managers-order") permit (principal in Role::"manager", action == Action::"order", resource)
when { context.arguments.total_minor <= 2500000 };
@id("directors-order") @obligation("require_approval") @approvers("board:2, finance:1")
permit (principal in Role::"director", action == Action::"order", resource)
when { context.arguments.total_minor <= 50000000 };
@id("approved-vendors") forbid (principal, action == Action::"order", resource)
unless { ["initech", "hooli", "umbrella"].contains(context.arguments.vendor) || principal in Role::"director"
  || principal is Agent };
@id("no-gift-cards") forbid (principal, action == Action::"order", resource)
when { context.arguments.category == "gift_card" };
@id("quantity") forbid (principal, action == Action::"order", resource)
when { context.arguments.quantity < 1 || context.arguments.quantity > 500 };
@id("postcode-where-germany") forbid (principal, action == Action::"order", resource)
when { context.arguments.address.country == "DE" && !(context.arguments.address has postcode) };
@id("discounts") permit (principal in Role::"manager", action == Action::"set_discount", resource)
when { context.arguments.rate.greaterThanOrEqual(decimal("0.0"))
  && context.arguments.rate.lessThanOrEqual(decimal("0.15")) };
@id("steep-discounts") @obligation("require_approval") @approvers("finance") @quorum("2") @execution_ttl("30m")
permit (principal in Role::"manager", action == Action::"set_discount", resource)
when { context.arguments.rate.greaterThan(decimal("0.15")) && context.arguments.rate.lessThan(decimal("0.4")) };
@id("interns-never-pay") forbid (principal in Role::"intern", action in Action::"impact:external", resource);
@id("weekly-orders") forbid (principal, action == Action::"order", resource)
when { context.count.tenant_week >= 200
  || context.sum.total_minor.user_week + context.arguments.total_minor > 90000000 };
@id("cancel") permit (principal in Role::"buyer", action == Action::"cancel_order", resource)
when { context.arguments.reason_code == "duplicate" || context.arguments.reason_code == "error" };
@id("cancel-what-was-ordered") forbid (principal, action == Action::"cancel_order", resource)
unless { context.done_on_target.contains("order") || principal in Role::"manager" || principal is Agent };
@id("managers-cancel") permit (principal in Role::"manager", action == Action::"cancel_order", resource);
@id("buyer-agent") permit (principal == Agent::"purchasing", action, resource);
@id("support-agent")
permit (principal == Agent::"help", action in [Action::"search", Action::"cancel_order"], resource);
"""


def sets() -> list[PolicySet]:
    return [_desk(), _payments(), _operations(), _clinic(), _buying()]


def _desk() -> PolicySet:
    project = load_project(_DESK)
    text = "\n".join(text for _, text in project.policies)
    return PolicySet("support desk", world_of(project), text, group_sizes(project))


def _payments() -> PolicySet:
    account = _schema("account", account=_STRING)
    transfer = _schema(
        "amount_minor", "currency", "country", "iban",
        amount_minor=_LONG, currency={"enum": ["EUR", "USD"]}, country=_STRING, iban=_STRING,
        fee_minor={"anyOf": [_LONG, {"type": "null"}], "default": None}, note=_MAYBE,
    )  # fmt: skip
    tools = [
        _tool("balance", Impact.READ, account),
        _tool("statement", Impact.READ, account),
        _tool("transfer", Impact.EXTERNAL, transfer, consequential=frozenset({"iban", "amount_minor"})),
        _tool("change_limit", Impact.INTERNAL_WRITE, _schema("limit_minor", limit_minor=_LONG)),
    ]
    skills = {"pay_desk": ["balance", "transfer", "change_limit"], "reporter": ["balance", "statement"]}
    roles = {"dana": ["clerk"], "tess": ["treasurer"], "ada": ["auditor"], "zed": []}
    groups = {"treasury": 4, "risk": 3, "board": 5}
    return PolicySet("payments", _world(tools, skills, roles), PAYMENTS, groups)


def _operations() -> PolicySet:
    optional = {"anyOf": [_BOOL, {"type": "null"}], "default": None}
    deploy = _schema(
        "service", "tag", "percent", "checks", service=_STRING, tag=_STRING, percent=_LONG, checks=_STRINGS
    )
    tools = [
        _tool("logs", Impact.READ, _schema("service", service=_STRING)),
        _tool(
            "restart",
            Impact.INTERNAL_WRITE,
            _schema("service", "replicas", service=_STRING, replicas=_LONG, force=optional),
        ),
        _tool("deploy", Impact.EXTERNAL, deploy),
        _tool(
            "drop_table",
            Impact.INTERNAL_WRITE,
            _schema("table", "rows", table=_STRING, rows=_LONG),
            raises=lambda _: None,
        ),
    ]
    skills = {"releaser": ["logs", "deploy", "restart"], "db_keeper": ["drop_table", "logs"]}
    roles = {"sue": ["sre"], "dev": ["developer"], "dora": ["dba"]}
    groups = {"oncall": 3, "leads": 2, "dba": 4, "billing": 2}
    return PolicySet("operations", _world(tools, skills, roles), OPERATIONS, groups)


def _clinic() -> PolicySet:
    prescribe = _schema(
        "drug", "dose", "days", "per_day",
        drug=_STRING, dose=_NUMBER, days=_LONG, per_day=_LONG, note=_MAYBE,
    )  # fmt: skip
    share = _schema("recipient", "fields", "consent", recipient=_STRING, fields=_STRINGS, consent=_BOOL)
    tools = [
        _tool("read_chart", Impact.READ, _schema("patient", "fields", patient=_STRING, fields=_STRINGS)),
        _tool("prescribe", Impact.INTERNAL_WRITE, prescribe),
        _tool("share", Impact.EXTERNAL, share, consequential=frozenset({"recipient"})),
        _tool("export", Impact.EXTERNAL, _schema("rows", rows=_LONG)),
    ]
    skills = {"ward": ["read_chart", "prescribe"], "front_desk": ["share", "export"]}
    roles = {"nina": ["nurse"], "doc": ["doctor"], "bill": ["billing"], "abe": ["assistant"]}
    groups = {"pharmacy": 2, "privacy": 3, "research": 6}
    return PolicySet("clinic", _world(tools, skills, roles), CLINIC, groups)


def _buying() -> PolicySet:
    address = _schema("country", "city", country=_STRING, city=_STRING, postcode=_MAYBE)
    order = _schema(
        "vendor", "category", "quantity", "total_minor", "address",
        vendor=_STRING, category=_STRING, quantity=_LONG, total_minor=_LONG, address=address,
    )  # fmt: skip
    tools = [
        _tool("search", Impact.READ, _schema("words", words=_STRING)),
        _tool("order", Impact.EXTERNAL, order),
        _tool("set_discount", Impact.INTERNAL_WRITE, _schema("sku", "rate", sku=_STRING, rate=_NUMBER)),
        _tool("cancel_order", Impact.EXTERNAL, _schema("order", "reason_code", order=_STRING, reason_code=_STRING)),
    ]
    skills = {"purchasing": ["search", "order", "set_discount"], "help": ["search", "cancel_order"]}
    roles = {"ben": ["buyer"], "mia": ["manager"], "dirk": ["director"], "ian": ["intern"]}
    groups = {"managers": 3, "board": 5, "finance": 4}
    return PolicySet("buying", _world(tools, skills, roles), BUYING, groups)
