"""Interactive apps where they run: started and guarded on their node, with one door to the network."""

from swath.sites.session.gate import AppAwayError, Key, enter_gate
from swath.sites.session.values import SessionOrder, SessionReport, SessionState, parse_report

__all__ = [
    "AppAwayError",
    "Key",
    "SessionOrder",
    "SessionReport",
    "SessionState",
    "enter_gate",
    "parse_report",
]
