"""The queue: submit, list, cancel, retry and schedule jobs, through `client.Client`."""
