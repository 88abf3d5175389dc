"""The Merkle tree of an audit chain: RFC 6962 §2.1 over the leaves of `clearway.rules.chain`.

A leaf is SHA-256(0x00 ‖ data), a node SHA-256(0x01 ‖ left ‖ right); hashes here are 32 bytes. A `Frontier` is all that
has to be kept to append and to know the root: one hash for each 1 in the binary form of the size. Proofs are verified
by the algorithms of RFC 9162 §2.1.3.2 and §2.1.4.2.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clearway.model.errors import Invalid

#: The root of a tree without leaves.
EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The roots of the perfect subtrees that make up a tree of `size` leaves, the largest first."""

    size: int = 0
    nodes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.nodes) != self.size.bit_count():
            raise Invalid("A frontier does not fit its size.", code="frontier", remedy="Rebuild it from the events.")

    def extended(self, leaves: Iterable[bytes]) -> "Frontier":
        """With `leaves` (leaf hashes) appended."""
        size, nodes = self.size, list(self.nodes)
        for leaf in leaves:
            # Each trailing 1 of the size is a subtree as large as what is being added to it.
            merged, rest = leaf, size
            while rest & 1:
                merged, rest = node_hash(nodes.pop(), merged), rest >> 1
            nodes.append(merged)
            size += 1
        return Frontier(size, tuple(nodes))

    def root(self) -> bytes:
        if not self.nodes:
            return EMPTY
        *rest, root = self.nodes
        for node in reversed(rest):
            root = node_hash(node, root)
        return root


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    return Frontier().extended(leaves).root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of leaf `index` (from 0), the hash nearest to the leaf first. Errors: `Invalid`."""
    if not 0 <= index < len(leaves):
        raise Invalid("There is no such leaf.", code="proof", remedy="Ask for one below the tree's size.")
    proof: list[bytes] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(root(leaves[middle:high]))
            high = middle
        else:
            proof.append(root(leaves[low:middle]))
            low = middle
    return proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `leaf` (a leaf hash) is number `index`, from 0, of the tree of `size` leaves with that root."""
    if not 0 <= index < size:
        return False
    found, at, last = leaf, index, size - 1
    for node in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(node, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, node)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """That the tree of the first `old_size` leaves is a prefix of the whole one. Errors: `Invalid`."""
    if not 0 < old_size <= len(leaves):
        raise Invalid("There is no such earlier tree.", code="proof", remedy="Name a size from 1 to the tree's.")
    proof: list[bytes] = []
    low, high, whole = 0, len(leaves), True
    while high > old_size:
        middle = low + _split(high - low)
        if old_size <= middle:
            proof.append(root(leaves[middle:high]))
            high = middle
        else:
            proof.append(root(leaves[low:middle]))
            low, whole = middle, False
    if not whole:
        proof.append(root(leaves[low:high]))
    return proof[::-1]


def verify_consistency(old_size: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes) -> bool:
    """Whether the tree (`old_size`, `old_root`) is a prefix of (`size`, `root`); the empty one is of every tree."""
    if old_size == 0 or old_size == size:
        expected = EMPTY if old_size == 0 else root
        return not proof and old_root == expected and 0 <= old_size <= size
    if not 0 < old_size < size:
        return False
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    at, last = old_size - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old, new = path[0], path[0]
    for node in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, node)
        at, last = at >> 1, last >> 1
    return last == 0 and old == old_root and new == root


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)
