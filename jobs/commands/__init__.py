"""The commands of `ganatomy`, one module per area. Nothing here does work: it parses, asks the client,
prints."""
