"""The composition root: the only package where parts are put together."""
