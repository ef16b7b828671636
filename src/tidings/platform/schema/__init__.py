"""What migrations do to whoever is at work: read from their SQL, before they run.

statements.py   SQL cut into statements, and what each locks, breaks or rewrites
known.py        the migrations of this version, and those that a database lacks
indexes.py      indexes of tables that may be large, built while they are written to
"""
