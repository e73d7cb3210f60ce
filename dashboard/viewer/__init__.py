"""How pictures are shown on all pages: size, links, a wipe from before to after, a canvas to paint on."""
