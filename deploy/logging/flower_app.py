"""Flower for lines that ptingest parses: LEVEL|LOGGER|TIME|MESSAGE.

    celery -A flower_app flower

Flower logs through Tornado, which puts its own shape on the root logger unless that has a
handler already. So the root logger gets one here, before Flower starts.
"""

import logging.config

from celery_app import LINE, app

logging.config.dictConfig(
    {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"pt": {"format": LINE}},
        "handlers": {
            "file": {
                "class": "logging.handlers.WatchedFileHandler",
                "filename": "/var/log/pt/flower.log",
                "encoding": "utf-8",
                "formatter": "pt",
            },
        },
        "root": {"handlers": ["file"], "level": "INFO"},
    }
)

__all__ = ["app"]
