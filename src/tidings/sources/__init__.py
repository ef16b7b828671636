"""Events of other services, which become notifications by a mapping."""
