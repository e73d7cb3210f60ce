"""Results as one HTML file that needs no network: a run, a unit, a concept, a comparison, a causes study."""
