"""Rows that a manager may make, as it sees them."""

ACTIVE, NOT_IN_SERVICE, NOT_READY, CREATE_AND_GO, CREATE_AND_WAIT, DESTROY = range(1, 7)
DEFINITION, SCRIPT, SCRIPT_TEXT, GROUP, GROUP_DEFINITION, GROUP_TARGET, TARGET, TARGET_PROPERTY = \
    range(9, 17)
TRIAL = 22
# the columns of each
STATUS = {DEFINITION: 15, SCRIPT: 5, SCRIPT_TEXT: 4, GROUP: 5, GROUP_DEFINITION: 2, GROUP_TARGET: 2,
          TARGET: 11, TARGET_PROPERTY: 4, TRIAL: 18}
STORAGE = {t: s - 1 for t, s in STATUS.items()}


class Row:
    """A row of TABLE in the world, by its index."""

    def __init__(self, world, table, *index):
        self.world, self.table, self.index = world, table, index

    def oid(self, column):
        return self.world.oid(self.table, 1, column, *self.index)

    def to(self, status):
        """A varbind for the RowStatus."""
        return (self.oid(STATUS[self.table]), "i", status)

    def cell(self, column):
        """int, bytes, or None when there is no such instance."""
        v, = self.world.tools.get(self.oid(column))
        return v.value if v.type else None

    def status(self):
        return self.cell(STATUS[self.table])

    def whole(self):
        """All that a manager sees of it."""
        return self.world.tools.get(*(self.oid(c) for c in range(1, STATUS[self.table] + 1)))

    def set(self, *varbinds):
        return self.world.tools.set(*varbinds)
