"""The execution engine: DBOS Transact in this process. The only package that imports `dbos`, and only at first use.

A run is carried out in passes. One pass is one DBOS workflow whose only argument is the run's reference: it replays
the skill from our own ledger and ends as soon as the run has to wait. So nothing parks inside the engine, and its
rows hold nothing but run references.
"""

from clearway.adapters.dbos_engine.engine import DbosEngine
from clearway.adapters.dbos_engine.executors import is_served

__all__ = ["DbosEngine", "is_served"]
