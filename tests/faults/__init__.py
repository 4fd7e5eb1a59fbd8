"""The system made to suffer: every fault of the list, and the same end as without it."""
