"""Whatever is noted, in whatever order: what nobody trusted said is never trusted, what the caller said always is."""

from hypothesis import given, settings
from hypothesis import strategies as st

from clearway.model.label import Trust
from clearway.rules.provenance import Provenance
from clearway.rules.provenance.atoms import cut

texts = st.text(max_size=60)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
values = st.text(min_size=1, max_size=30).filter(lambda text: bool(cut(text).atoms))


@given(untrusted=st.lists(trees, max_size=4), arguments=st.dictionaries(st.text(max_size=8), trees, max_size=4))
def test_without_anything_trusted_only_nothing_is_trusted(untrusted, arguments):
    seen = Provenance()
    for place, tree in enumerate(untrusted):
        seen.note(tree, f"s{place}:tool", Trust.UNTRUSTED)
    for path, label in seen.label(arguments).items():
        if label.trust is Trust.TRUSTED:
            assert _is_empty(arguments[path])


@given(value=values, around=st.tuples(texts, texts), untrusted=trees)
def test_a_value_that_the_caller_gave_as_it_is_is_trusted_whatever_else_was_read(value, around, untrusted):
    seen = Provenance()
    seen.note(untrusted, "s1:tool", Trust.UNTRUSTED)
    seen.note({"before": around[0], "value": value, "after": around[1]}, "input", Trust.TRUSTED)
    seen.note(untrusted, "s2:tool", Trust.UNTRUSTED)
    assert seen.label({"x": value})["x"].trust is Trust.TRUSTED


@given(record=trees, untrusted=trees, more=trees, arguments=st.dictionaries(st.text(max_size=8), trees, max_size=4))
@settings(max_examples=60)
def test_more_untrusted_content_never_raises_a_label(record, untrusted, more, arguments):
    seen = Provenance()
    seen.note(record, "s1:records", Trust.TRUSTED)
    seen.note(untrusted, "s2:tool", Trust.UNTRUSTED)
    before = seen.label(arguments)
    seen.note(more, "s3:tool", Trust.UNTRUSTED)
    after = seen.label(arguments)
    for path, label in before.items():
        if label.trust is Trust.UNTRUSTED and path in after:
            assert after[path].trust is Trust.UNTRUSTED


def _is_empty(value):
    if isinstance(value, dict | list):
        return all(map(_is_empty, value.values() if isinstance(value, dict) else value))
    return value is None or value == ""
