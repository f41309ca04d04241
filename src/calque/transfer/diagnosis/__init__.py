"""What is wrong with a model and its data, and what to do: the troubleshooting of this field as checks with remedies."""

from __future__ import annotations

from calque.transfer.diagnosis.findings import Diagnosis, Finding, Remedy
from calque.transfer.diagnosis.run import CHECKS, diagnose

__all__ = ["CHECKS", "Diagnosis", "Finding", "Remedy", "diagnose"]
