import json
import lzma
from argparse import Namespace

import pytest

from bench.trajectories import drafting
from clearway.adapters.cedar import CedarPolicy, PolicyFile
from clearway.model.label import Trust
from clearway.model.tool import Impact
from clearway.project.pack import ToolSchema, load_pack
from clearway.rules.provenance import trust_at


def tool(name, *required, **properties):
    given = {key: {"type": value} if isinstance(value, str) else value for key, value in properties.items()}
    return {
        "name": name,
        "description": name,
        "parameters": {"type": "object", "properties": given, "required": list(required)},
    }


TOOLS = [
    tool("get_channels"),
    tool("get_webpage", "url", url="string"),
    tool("read_messages", "channel", channel="string"),
    tool("list_reviews", "hotel", hotel="string"),
    tool("send_email", "recipients", recipients={"type": "array"}, body="string", attachments={"type": "array"}),
    tool("create_event", "title", "start_time", title="string", start_time="string", participants={"type": "array"}),
    tool("book_room", "room", room="string", cabin={"type": "string", "enum": ["a", "b"]}, amount="string"),
    tool("hand_over", "summary", summary="string"),
    tool("change_orders", lines={"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/Line"}, {"type": "object"}]}}),
]
TOOLS[-1]["parameters"]["$defs"] = {
    "Line": {"type": "object", "properties": {"item_id": {"type": "string"}, "amount": {"type": "number"}}}
}


@pytest.fixture(scope="module")
def drafted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("draft")
    with lzma.open(folder / "some.jsonl.xz", "wt") as lines:
        lines.write(json.dumps({"domain": "some", "tools": TOOLS}))
    assert drafting.draft(Namespace(suite="some", corpus=folder, harness=folder, into=folder / "some")) == 0
    schemas = [ToolSchema(one["name"], one["description"], one["parameters"]) for one in TOOLS]
    return load_pack(folder / "some", schemas, lambda _tool, _arguments: None)


def test_a_draft_loads_as_it_is_and_its_policies_check(drafted):
    assert set(drafted.tools) == {one["name"] for one in TOOLS}
    files = [PolicyFile(file, text) for file, text in drafted.policies]
    assert not CedarPolicy(drafted.tools, ["agent"], ["dev"], files).check()


def test_a_draft_knows_common_verbs_and_takes_unknown_ones_for_external(drafted):
    impacts = {name: spec.impact for name, spec in drafted.tools.items()}
    assert impacts["list_reviews"] is impacts["get_channels"] is Impact.READ
    assert impacts["create_event"] is Impact.INTERNAL_WRITE
    assert impacts["get_webpage"] is impacts["send_email"] is impacts["hand_over"] is Impact.EXTERNAL


def test_a_draft_follows_what_names_something_and_what_is_carried_to_an_addressee(drafted):
    consequential = {name: set(spec.consequential) for name, spec in drafted.tools.items()}
    assert consequential["get_webpage"] == {"url"}
    assert {"recipients", "body#addresses", "body>recipients", "attachments>recipients"} == consequential["send_email"]
    assert consequential["book_room"] == {"room"}
    assert consequential["change_orders"] == {"lines[].item_id"}


def test_a_draft_goes_by_whole_words_of_a_name():
    names = ("account", "sender", "vendor", "model", "community", "update_url", "email_body", "end_time", "price")
    given: dict[str, dict[str, str]] = {name: {"type": "string"} for name in names}
    given |= {"payeeNumber": {"type": "integer"}, "n": {"type": "integer"}}
    found = drafting._consequential(given, own=False)
    named = {path for path in found if not set(path) & set("#>")}
    assert named == {"account", "sender", "vendor", "model", "community", "update_url", "payeeNumber"}
    assert "email_body#addresses" in found


def test_a_draft_takes_a_read_of_any_address_for_external():
    lines = drafting._tool(tool("fetch_page", page_url="string"))
    assert 'impact = "external"' in lines
    assert 'consequential = ["page_url"]' in lines


def test_a_draft_trusts_records_and_nothing_that_people_write(drafted):
    trust = {name: spec.result_trust for name, spec in drafted.tools.items()}
    assert trust["get_channels"] is Trust.TRUSTED
    assert trust["read_messages"][""] is Trust.UNTRUSTED
    assert trust["read_messages"]["**.sender"] is Trust.TRUSTED
    assert "**.sender" not in trust["list_reviews"]
    assert trust_at(trust["list_reviews"], ("data", "[]", "hotel_id")) is Trust.TRUSTED
    assert trust_at(trust["list_reviews"], ("data", "[]", "text")) is Trust.UNTRUSTED
    assert trust["change_orders"] is Trust.TRUSTED


def test_a_draft_asks_for_a_write_of_which_nothing_is_known_but_not_for_prose_alone(drafted):
    ((_, text),) = drafted.policies
    assert 'containsAll(["title", "start_time"])' in text
    assert 'unless { context.sources.containsAny(["start_time:request", "start_time:input"]) }' in text
    assert "hand_over" not in text
