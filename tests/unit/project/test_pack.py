from pathlib import Path

import pytest

from clearway.adapters.cedar import CedarPolicy, PolicyFile
from clearway.model.errors import ConfigError, Invalid
from clearway.model.label import Trust
from clearway.model.tool import Impact, Target
from clearway.project.pack import ToolSchema, load_pack

PAY = ToolSchema(
    "pay",
    "Pays.",
    {
        "type": "object",
        "properties": {
            "payee": {"type": "string"},
            "amount": {"type": "number"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            "speed": {"type": "string", "enum": ["slow", "fast"]},
            "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
        },
        "required": ["payee", "amount"],
        "$defs": {"Line": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}},
    },
)
LIST = ToolSchema("list_payees", "Lists.", {"type": "object", "properties": {}})
PACK = """
[defaults]
results = "trusted"
[tools.pay]
impact = "external"
irreversible = true
targets = "account:{payee}"
consequential = ["payee", "lines[].id", "note#addresses", "note>payee"]
results = { "" = "untrusted", "[].id" = "trusted" }
[tools.list_payees]
impact = "read"
[tools.gone]
impact = "read"
"""
PACKS = Path(__file__).parents[3] / "bench" / "trajectories" / "packs"


def pack(folder, text, tools=(PAY, LIST), execute=lambda tool, arguments: (tool, dict(arguments))):
    (folder / "policies").mkdir(exist_ok=True)
    (folder / "policies" / "gate.cedar").write_text('@id("all") permit (principal, action, resource);')
    (folder / "pack.toml").write_text(text)
    return load_pack(folder, tools, execute)


def test_a_pack_declares_the_tools_that_came(tmp_path):
    found = pack(tmp_path, PACK)
    pay = found.tools["pay"]
    assert (pay.impact, pay.irreversible, pay.description) == (Impact.EXTERNAL, True, "Pays.")
    assert pay.consequential == {"payee", "lines[].id", "note#addresses", "note>payee"}
    assert pay.result_trust == {"": Trust.UNTRUSTED, "[].id": Trust.TRUSTED}
    assert pay.targets({"payee": "ann"}) == [Target("account", "ann")]
    assert found.tools["list_payees"].result_trust is Trust.TRUSTED
    assert found.missing == ("gone",)
    assert found.policies == (("policies/gate.cedar", '@id("all") permit (principal, action, resource);'),)


def test_its_tools_take_decimals_and_nothing_that_the_schema_does_not_know(tmp_path):
    pay = pack(tmp_path, PACK).tools["pay"]
    given = {"payee": "ann", "amount": 12.5, "speed": "fast", "lines": [{"id": 1}]}
    assert pay.validate(given) == {**given, "note": None}
    for wrong in ({"amount": "12.5"}, {"speed": "warp"}, {"lines": [{"id": 1, "x": 2}]}, {"other": 1}, {"payee": 1}):
        with pytest.raises(Invalid):
            pay.validate({**given, **wrong})
    with pytest.raises(Invalid):
        pay.validate({"payee": "ann"})


def test_what_was_left_out_is_left_out_when_the_tool_is_called_unless_it_knows_null(tmp_path):
    pay = pack(tmp_path, PACK).tools["pay"]
    tool, arguments = pay.function(**pay.validate({"payee": "ann", "amount": 1}))
    assert (tool, arguments) == ("pay", {"payee": "ann", "amount": 1, "note": None})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[tools.pay]\nimpact = "huge"', "pack.toml:2: tools.pay.impact names the impact"),
        ("[tools.pay]", "tools.pay has no impact"),
        ('[tools.pay]\nimpact = "read"\nconsequential = ["payer"]', "pack.toml:3: tools.pay.consequential names"),
        ('[tools.pay]\nimpact = "read"\nresults = "endorsed"', "pack.toml:3: tools.pay.results names the trust"),
        ('[tools.pay]\nimpact = "read"\ntargets = "{payer}"', "tools.pay"),
        ('[tools.pay]\nimpact = "read"\nimpct = 1', "pack.toml:3: there is no key impct"),
        ('[tools.pay]\nimpact = "read"\nirreversible = 1', "should be true or false"),
    ],
)
def test_each_mistake_is_named_with_its_place(tmp_path, text, problem):
    with pytest.raises(ConfigError, match=problem.replace(".", r"\.")):
        pack(tmp_path, text)


def test_policies_see_decimals_and_labels_of_its_tools(tmp_path):
    found = pack(tmp_path, PACK)
    text = """@id("ask") @obligation("require_approval") @approvers("owners:1") permit (principal, action, resource)
    when { context.untrusted_consequential.containsAny(["note>payee", "note#addresses"]) };"""
    assert CedarPolicy(found.tools, ["agent"], ["dev"], [PolicyFile("ask.cedar", text)]).check() == []


@pytest.mark.parametrize("suite", sorted(path.name for path in PACKS.iterdir() if path.is_dir()))
def test_the_packs_of_the_bench_hold_data_only(suite):
    kinds = {path.suffix for path in (PACKS / suite).rglob("*") if path.is_file()}
    assert kinds == {".toml", ".cedar"}
