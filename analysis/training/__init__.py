"""How the models that come with Ganatomy were trained; each module here is a command."""
