"""Payment links of Stripe's, for the buttons of notifications: asked for while the caller waits. Nothing of them is kept here."""
