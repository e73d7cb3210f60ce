"""What ranking artifact units needs: features, references, ablations of many lists, planted damage."""
