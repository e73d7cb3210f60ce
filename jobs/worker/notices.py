"""Notices when a job ends, through apprise (mail, chat, webhooks), to the addresses in GANATOMY_NOTIFY."""

from __future__ import annotations

from collections.abc import Sequence

import structlog


def send(addresses: Sequence[str], title: str, body: str) -> str:
    """Send a notice and return what was done. A failure is logged and stops nothing."""
    if not addresses:
        return "no address"
    import apprise  # slow to import, and most workers have no addresses

    sender = apprise.Apprise()
    known = [sender.add(address) for address in addresses]
    sent = all(known) and bool(sender.notify(title=title, body=body))
    if not sent:
        structlog.get_logger().warning("a notice could not be sent", title=title, addresses=len(addresses))
    return "sent" if sent else "not sent"
