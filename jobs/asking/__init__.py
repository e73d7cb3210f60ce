"""The kinds of request, a module each. `jobs.requests` names them all."""
