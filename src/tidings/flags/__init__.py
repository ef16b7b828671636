"""Feature flags: of the deployment, which its own processes ask, and of each project.

structs     what a flag is, as data        rules       what does not fit in it; made ready to be asked
evaluate    a flag's value for a context   bucket      who falls where in a rollout
store       every change, in PostgreSQL    halts       kill switches of connectors, for statements
known       what Tidings itself asks       flags       a process's view of the deployment's, always the newest it could get
provider    all of it for OpenFeature      routes      a project's own, over HTTP
"""
