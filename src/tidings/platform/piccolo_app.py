"""Tidings as a Piccolo app: names the folder of migrations. See migrate.py for how to add one."""

from pathlib import Path

from piccolo.conf.apps import AppConfig

APP_CONFIG = AppConfig(app_name="tidings", migrations_folder_path=str(Path(__file__).parent / "migrations"))
