"""Django's LOGGING for lines that ptingest parses: LEVEL|LOGGER|TIME|MESSAGE.

Copy LOGGING into your settings module. One process writes one file; where several do
(gunicorn workers), log to standard output and let the container runtime write.
"""

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        # `%(asctime)s` without a datefmt is 2025-01-02 03:04:05,678: the comma keeps the
        # milliseconds. With `.678` Logstash, and ptingest in parity mode, cut them off.
        "pt": {"format": "%(levelname)s|%(name)s|%(asctime)s|%(message)s"},
    },
    "handlers": {
        "file": {
            # Notices when logrotate moves the file away.
            "class": "logging.handlers.WatchedFileHandler",
            "filename": "/var/log/pt/django.log",
            "encoding": "utf-8",
            "formatter": "pt",
        },
    },
    "root": {"handlers": ["file"], "level": "INFO"},
    "loggers": {
        # Django gives these two handlers of their own; without this their lines come twice
        # or in another shape.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
    },
}
# Times are local unless the process runs in UTC (TZ=UTC, the default in containers). Where
# it does not, set `timezone` in pt.yaml to the same zone.
