"""The one place with SQL and with the store's layout.

>>> from db import open_store
>>> store = open_store("store")
>>> store.frame("unit_label")
"""
