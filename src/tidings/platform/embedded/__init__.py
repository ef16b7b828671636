"""PostgreSQL and Valkey from their wheels, for `make run` and the tests. In production the two are run by whoever runs servers.

Their programs are started directly: the wheels' own start functions change permissions and users on the machine.
"""
