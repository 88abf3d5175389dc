"""The composition root: puts a project, a store, an engine and the road together. Nothing else wires anything.

::

    app = Clearway.open("my_project")
    with app.working():                                   # this process carries runs out
        record = app.acting("dana").run_and_wait("Refund 40 dollars to account 9182")
"""

from clearway.app.acting import Acting
from clearway.app.clearway import Clearway

__all__ = ["Acting", "Clearway"]
