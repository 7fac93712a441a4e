"""gunicorn for lines that ptingest parses: LEVEL|LOGGER|TIME|MESSAGE.

    gunicorn -c gunicorn.conf.py project.wsgi

Ship the file as service django: its loggers are gunicorn.error and gunicorn.access, which
the categories of pt.yaml leave as unknown. To give them a category of their own add
`- {match: [gunicorn.*], set: {stream: server}}` to pt.yaml.
"""

logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"pt": {"format": "%(levelname)s|%(name)s|%(asctime)s|%(message)s"}},
    "handlers": {
        "file": {
            "class": "logging.handlers.WatchedFileHandler",
            "filename": "/var/log/pt/gunicorn.log",
            "encoding": "utf-8",
            "formatter": "pt",
        },
    },
    "root": {"handlers": ["file"], "level": "INFO"},
    # gunicorn gives these their own handlers and stops them from propagating.
    "loggers": {
        "gunicorn.error": {"handlers": ["file"], "level": "INFO", "propagate": False},
        "gunicorn.access": {"handlers": ["file"], "level": "INFO", "propagate": False},
    },
}
accesslog = "-"
access_log_format = '%(h)s "%(r)s" %(s)s %(b)s %(M)sms'
