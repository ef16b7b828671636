"""Any service that Apprise (https://github.com/caronc/apprise) reaches over HTTPS, by its URL. Needs the extra `tidings[apprise]`."""
