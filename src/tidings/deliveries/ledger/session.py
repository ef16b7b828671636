"""How PostgreSQL plans what planners and workers ask of the ledger.

Every statement there has its index, in every partition. But next week's partition is empty, and reading an empty table whole costs nothing:
a plan made once for all would read it so for each delivery until statistics are gathered again, when the week has begun and it is full.
"""

SESSION = {"enable_seqscan": "off"}
