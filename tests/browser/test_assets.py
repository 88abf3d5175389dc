"""What the pages are made of, without a browser: shipped files, escaping, charts with their text."""

import hashlib
import re
from importlib.resources import files

import pytest
from markupsafe import Markup

from clearway.server.console.charts import bars, columns
from clearway.server.console.rendering import attribute, exact, is_long, make_environment, shown
from tests.browser.test_hostile import CORPUS

STATIC = files("clearway.server.console") / "static"


def test_what_is_vendored_is_what_was_published_with_its_licence() -> None:
    told = (STATIC / "vendor" / "VENDORED.txt").read_text()
    name = re.search(r"^file +(\S+)$", told, re.M)
    digest = re.search(r"^sha256 +([0-9a-f]{64})$", told, re.M)
    assert name
    assert digest
    assert hashlib.sha256((STATIC / "vendor" / name[1]).read_bytes()).hexdigest() == digest[1]
    assert "Zero-Clause BSD" in (STATIC / "vendor" / "htmx-LICENSE.txt").read_text()


def test_no_page_has_an_inline_script_or_style_or_names_another_host() -> None:
    for template in (files("clearway.server.console") / "templates").iterdir():
        text = template.read_text()
        assert not re.search(
            r"<script(?! src=\"/assets/)|<style|\sstyle=|\son\w+=|hx-on|javascript:|//\w+\.\w", text
        ), template.name
        assert "|safe" not in text, template.name
    script = (STATIC / "console.js").read_text()
    assert not re.search(r"innerHTML =|outerHTML =|insertAdjacentHTML|document\.write|eval\(|new Function", script)


@pytest.mark.parametrize("text", CORPUS)
def test_t08_every_text_that_a_template_writes_is_escaped_and_made_visible(text: str) -> None:
    page = make_environment().from_string("<p title=\"{{ text|attribute }}\">{{ text }}{{ {'a': text}|exact }}</p>")
    written = page.render(text=f"{text}\u202e")
    assert "<script" not in written
    assert "<img" not in written
    assert "\u202e" not in written
    assert "\x1b" not in written
    assert written.count("<p ") == 1


def test_markup_of_our_own_is_not_escaped_twice_and_nothing_else_is_markup() -> None:
    assert shown(Markup("<b>x</b>")) == "<b>x</b>"
    assert shown("<b>") == "&lt;b&gt;"
    assert shown(None) == ""
    assert "<mark" not in attribute("\u202e")
    assert "<mark" in exact("\u202e")


def test_what_is_long_has_many_characters_or_many_lines() -> None:
    assert not is_long("x" * 500)
    assert is_long("x" * 700)
    assert is_long("\\n" * 20)  # as `visible` writes line ends
    assert is_long({"a": ["b"] * 20})


def test_charts_tell_their_figures_as_text_and_escape_names() -> None:
    drawn = columns([{"at": "2026-03-01T10:00:00Z", "done": 3, "not_done": 1}], "Runs")
    assert 'role="img"' in drawn
    assert "3 done, 1 failed, refused or cancelled, 0 under way; 4 in the fullest column." in drawn
    drawn = bars([("<script>\u202e", 2), ("b", 1)], "By policy")
    assert "<script" not in drawn
    assert "\u202e" not in drawn
    assert "By policy. " in drawn
    assert columns([], "Runs") == bars([], "By policy") == ""
