"""Celery and Celery beat for lines that ptingest parses: LEVEL|LOGGER|TIME|MESSAGE.

    celery -A celery_app worker --logfile /var/log/pt/celery.log
    celery -A celery_app beat   --logfile /var/log/pt/celerybeat.log

`worker_log_format` serves beat as well. Flower takes no notice of it: see flower_app.py.
"""

from celery import Celery

LINE = "%(levelname)s|%(name)s|%(asctime)s|%(message)s"

app = Celery("pt")
app.conf.update(
    worker_log_format=LINE,
    # The task's name and id go before the message: what stands behind the third `|` is free.
    worker_task_log_format=LINE.replace("%(message)s", "%(task_name)s[%(task_id)s]: %(message)s"),
    # No escape sequences: LEVEL must be the first thing in a line.
    worker_log_color=False,
    # print() in a task becomes WARNING|celery.redirected|...
    worker_redirect_stdouts=True,
)
