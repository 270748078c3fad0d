"""The drill: restore all services, ask their checks in boxes, destroy the boxes; in parallel.

whole      the drill of a site
phases     several services by one restore
service    one service on its way
lanes      its checks, beside each other
"""

from backupcheck.drill.service import RESTORE, ServiceDrill, refuse, waivers_today
from backupcheck.drill.whole import BOX, Drill, Progress, request_of, sweep

__all__ = ["BOX", "RESTORE", "Drill", "Progress", "ServiceDrill", "refuse", "request_of", "sweep", "waivers_today"]
