"""A model with what proves it on any device: golden inputs, a page that runs them, and scripts."""
