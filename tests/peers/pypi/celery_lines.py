"""A Celery application with the settings of deploy/logging/celery_app.py, to be run by
`celery -A celery_lines worker` and `... beat` in a folder that holds a copy of them.

Its broker is a folder, so that no port is opened.
"""

from celery.utils.log import get_task_logger
from celery_app import app

app.conf.update(
    broker_url="filesystem://",
    broker_transport_options={
        "data_folder_in": "queue",
        "data_folder_out": "queue",
        "control_folder": "control",
    },
    beat_schedule={
        "sync": {"task": "apps.parcels.tasks.sync", "schedule": 0.2, "args": (1,)},
        "fail": {"task": "apps.parcels.tasks.sync", "schedule": 0.2, "args": (2,)},
    },
)
log = get_task_logger("apps.parcels.tasks")


@app.task(name="apps.parcels.tasks.sync")
def sync(number):
    log.info("syncing %s", number)
    print("printed by a task")
    if number == 2:
        raise ValueError("bad parcel\nsecond line")
    return number
