"""Locks of statements on PostgreSQL: which they take, how long they wait for them, and when they try again."""

from .modes import LockMode
from .retries import RetryPolicy
from .statements import StatementLock, locks_of

__all__ = ("LockMode", "RetryPolicy", "StatementLock", "locks_of")
