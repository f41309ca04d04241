"""Adapters: small trainable layers in a frozen encoder, one a language or task, as many as wanted, mixed freely in a batch."""

from calque.adapters import Setup, Wanted, as_setup
from calque.models.adapters.collection import Adapters
from calque.models.adapters.routing import Plan
from calque.models.adapters.sites import Route, routed

__all__ = ["Adapters", "Plan", "Route", "Setup", "Wanted", "as_setup", "routed"]
