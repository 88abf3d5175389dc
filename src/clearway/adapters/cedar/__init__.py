"""Policy by Cedar. The namespace that policies are written in: docs/decisions/0004-cedar-namespace.md."""

from clearway.adapters.cedar.policies import PolicyFile, read_folder
from clearway.adapters.cedar.policy import CedarPolicy

__all__ = ["CedarPolicy", "PolicyFile", "read_folder"]
