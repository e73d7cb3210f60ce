"""What analysis.causes.causes is made of: kept samples, constants, learned alpha, scoring, random sets."""
