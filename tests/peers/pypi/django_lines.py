"""Logs what a Django application logs, with the settings of deploy/logging/django_settings.py.

Run in a folder that holds a copy of them: python django_lines.py
"""

import logging

import django
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from django_settings import LOGGING


def broken(request):
    raise ValueError("no such parcel\nand a second line | with a pipe")


def fine(request):
    logging.getLogger("apps.parcels.views").info("Parcel %s created – Łódź", "PT42")
    return HttpResponse("ok")


urlpatterns = [path("broken/", broken), path("fine/", fine)]

settings.configure(
    ROOT_URLCONF=__name__,
    LOGGING=LOGGING,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="x",
    USE_TZ=True,
    INSTALLED_APPS=[],
    MIDDLEWARE=[],
)
django.setup()

client = Client(raise_request_exception=False)
client.get("/fine/")
client.get("/missing/")
client.get("/broken/")
for name, level, text in [
    ("apps.custom_auth.backends", logging.WARNING, "login of anna failed"),
    ("apps.cron_tasks.cleanup", logging.INFO, "deleted 3"),
    ("config.settings", logging.INFO, "loaded"),
    ("botocore.credentials", logging.INFO, "Found credentials in environment variables."),
    ("s3transfer.futures", logging.INFO, "Submitting task"),
    ("urllib3.connectionpool", logging.WARNING, "Retrying (Retry(total=2))"),
    ("PIL.PngImagePlugin", logging.INFO, "STREAM b'IHDR' 16 13"),
    ("werkzeug", logging.INFO, '127.0.0.1 - - "GET / HTTP/1.1" 200 -'),
    ("third.party", logging.CRITICAL, "|starts with a pipe"),
]:
    logging.getLogger(name).log(level, text)
logging.warning("from the root logger")
try:
    print(1 / 0)
except ZeroDivisionError:
    logging.getLogger("apps.integrations.dhl").exception("carrier failed")
