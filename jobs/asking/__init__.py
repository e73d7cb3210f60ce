"""The kinds of request, a module each. `jobs.kinds.requests` names them all."""
