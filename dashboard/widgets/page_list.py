"""The pages of the dashboard: those that `jobs.kinds` declares, and those that show no runs of one kind."""

from jobs.kinds.base import Page
from jobs.kinds.requests import KINDS

HOME = Page("home", "Home", "home", 0)
_OTHERS = (
    Page("search", "Search", "search", 1, hidden=True),
    Page("rate", "Ratings", "how_to_vote", 15, hidden=True),
    Page("jobs", "Jobs", "schedule", 74),
    Page("runs", "Runs", "inventory_2", 76),
    Page("models", "Models", "deployed_code", 78),
    Page("sql", "SQL", "table", 90),
    Page("boards", "Boards", "dashboard", 92),
    Page("audit", "Audit", "history", 94, hidden=True),
)
_DECLARED = [page for kind in KINDS.values() for page in kind.pages]

# In the order of the navigation.
PAGES = sorted((HOME, *_OTHERS, *_DECLARED), key=lambda page: page.place)
VIEWS = {page.view: page for page in PAGES}
# The page that shows a run, by the run's kind.
RESULTS = {kind.name: kind.pages[0].view for kind in KINDS.values() if kind.pages} | {"dissection": "units"}
