"""Every task there is, by its name in `backup_runs`."""

from tidings.backups.drill import drill
from tidings.backups.logical import make_logical
from tidings.backups.physical import make_physical
from tidings.backups.runs import Task as Name
from tidings.backups.verify import verify
from tidings.backups.work import Task

TASKS: dict[Name, Task] = {
    "logical": make_logical,
    "physical": make_physical,
    "verify": verify,
    "drill": drill,
}
MAKING: frozenset[Name] = frozenset({"logical", "physical"})
