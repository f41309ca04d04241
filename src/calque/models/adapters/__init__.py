"""Adapters: small trainable layers in a frozen encoder, one a language or task, as many as wanted, mixed freely in a batch."""

from calque.models.adapters.collection import Adapters
from calque.models.adapters.routing import Plan, Setup, Wanted, as_setup
from calque.models.adapters.sites import routed

__all__ = ["Adapters", "Plan", "Setup", "Wanted", "as_setup", "routed"]
