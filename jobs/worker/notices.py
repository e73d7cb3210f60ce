"""Notices when a job ends, through apprise (mail, chat, webhooks), to the addresses in GANATOMY_NOTIFY."""

from __future__ import annotations

from collections.abc import Sequence

import structlog


def send(addresses: Sequence[str], title: str, body: str) -> str:
    """Send a notice; a notice that cannot be sent is logged and stops nothing. Returns what was done."""
    if not addresses:
        return "nobody to tell"
    try:
        import apprise
    except ImportError:
        structlog.get_logger().warning("notices need `pip install apprise`")
        return "apprise is not installed"
    sender = apprise.Apprise()
    known = [sender.add(address) for address in addresses]
    sent = all(known) and bool(sender.notify(title=title, body=body))
    if not sent:
        structlog.get_logger().warning("a notice could not be sent", title=title, addresses=len(addresses))
    return "told" if sent else "could not be told"
