"""Where Piccolo finds the engine and the app (PICCOLO_CONF=tidings.platform.piccolo_conf)."""

from piccolo.conf.apps import AppRegistry

from tidings.platform.postgres import ENGINE

DB = ENGINE
APP_REGISTRY = AppRegistry(apps=["tidings.platform.piccolo_app"])
