"""The Merkle tree, against the test vectors of RFC 6962's reference implementation and against itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearway.model.errors import Invalid
from clearway.rules import merkle
from clearway.rules.merkle import Frontier

# From certificate-transparency's and transparency-dev's test suites.
INPUTS = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
LEAVES = [merkle.leaf_hash(data) for data in INPUTS]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): INCLUSION[0, 8],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}

many_leaves = st.integers(1, 70).map(lambda size: [merkle.leaf_hash(bytes([index])) for index in range(size)])


def as_hex(proof: list[bytes]) -> list[str]:
    return [node.hex() for node in proof]


def test_the_empty_tree_has_the_root_of_nothing() -> None:
    assert Frontier().root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_test_vectors(size: int) -> None:
    assert merkle.root(LEAVES[:size]).hex() == ROOTS[size - 1]
    assert Frontier().extended(LEAVES[:size]).root().hex() == ROOTS[size - 1]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_proofs_are_those_of_the_test_vectors(index: int, size: int) -> None:
    proof = merkle.inclusion_proof(LEAVES[:size], index)
    assert as_hex(proof) == INCLUSION[index, size]
    assert merkle.verify_inclusion(LEAVES[index], index, size, proof, bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize(("old", "size"), CONSISTENCY)
def test_consistency_proofs_are_those_of_the_test_vectors(old: int, size: int) -> None:
    proof = merkle.consistency_proof(LEAVES[:size], old)
    assert as_hex(proof) == CONSISTENCY[old, size]
    assert merkle.verify_consistency(old, size, proof, bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[size - 1]))


def recursive_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, word for word."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return merkle.node_hash(recursive_root(leaves[:split]), recursive_root(leaves[split:]))


@given(many_leaves, st.data())
def test_a_frontier_grows_in_any_portions_to_the_root_of_the_rfc(leaves: list[bytes], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(leaves)))
    first = Frontier().extended(leaves[:cut])
    whole = Frontier(first.size, first.nodes).extended(leaves[cut:])
    assert whole.size == len(leaves)
    assert whole.root() == recursive_root(leaves)


@given(many_leaves, st.data())
def test_a_leaf_is_proved_at_its_place_and_nowhere_else(leaves: list[bytes], data: st.DataObject) -> None:
    size, root = len(leaves), merkle.root(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(leaves, index)
    assert merkle.verify_inclusion(leaves[index], index, size, proof, root)
    wrong = data.draw(st.integers(-1, size + 1).filter(lambda number: number != index))
    assert not merkle.verify_inclusion(leaves[index], wrong, size, proof, root)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"other"), index, size, proof, root)
    assert not merkle.verify_inclusion(leaves[index], index, size, [*proof, root], root)
    assert not merkle.verify_inclusion(leaves[index], index, size, proof, merkle.EMPTY)
    if proof:
        assert not merkle.verify_inclusion(leaves[index], index, size, proof[:-1], root)
        assert not merkle.verify_inclusion(leaves[index], index, size, [*proof[1:], proof[0][::-1]], root)


@given(many_leaves, st.data())
def test_a_tree_that_grew_is_consistent_and_one_that_was_rewritten_is_not(
    leaves: list[bytes], data: st.DataObject
) -> None:
    size, root = len(leaves), merkle.root(leaves)
    old = data.draw(st.integers(1, size))
    old_root, proof = merkle.root(leaves[:old]), merkle.consistency_proof(leaves, old)
    assert merkle.verify_consistency(old, size, proof, old_root, root)
    rewritten = list(leaves)
    rewritten[data.draw(st.integers(0, old - 1))] = merkle.leaf_hash(b"other")
    new_root, forged = merkle.root(rewritten), merkle.consistency_proof(rewritten, old)
    assert not merkle.verify_consistency(old, size, forged, old_root, new_root)
    assert not merkle.verify_consistency(old, size, proof, old_root, new_root)
    assert not merkle.verify_consistency(old, size, [*proof, root], old_root, root)
    if proof:
        assert not merkle.verify_consistency(old, size, proof[:-1], old_root, root)
        assert not merkle.verify_consistency(old, size, [], old_root, root)


def test_the_empty_tree_is_a_prefix_of_every_tree_and_none_of_a_smaller_one() -> None:
    root = merkle.root(LEAVES)
    assert merkle.verify_consistency(0, 8, [], merkle.EMPTY, root)
    assert not merkle.verify_consistency(0, 8, [], root, root)
    assert not merkle.verify_consistency(8, 5, [], root, root)
    assert not merkle.verify_consistency(-1, -1, [], root, root)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: merkle.inclusion_proof(LEAVES, 8),
        lambda: merkle.inclusion_proof([], 0),
        lambda: merkle.inclusion_proof(LEAVES, -1),
        lambda: merkle.consistency_proof(LEAVES, 0),
        lambda: merkle.consistency_proof(LEAVES, 9),
        lambda: Frontier(3, (b"x",)),
        lambda: Frontier(-1, ()),
    ],
)
def test_what_does_not_exist_is_refused(ask) -> None:
    with pytest.raises(Invalid):
        ask()
