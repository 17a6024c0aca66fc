"""Sessions: interactive apps that run as jobs at a site, and the way to them."""

from swath.jobs.sessions.catalogue import AppFolder, app_folders, read_app
from swath.jobs.sessions.order import Wish, order_session
from swath.jobs.sessions.place import Place, open_place, place_names
from swath.jobs.sessions.session import Session, SessionStatus, find_session, list_sessions

__all__ = [
    "AppFolder",
    "Place",
    "Session",
    "SessionStatus",
    "Wish",
    "app_folders",
    "find_session",
    "list_sessions",
    "open_place",
    "order_session",
    "place_names",
    "read_app",
]
