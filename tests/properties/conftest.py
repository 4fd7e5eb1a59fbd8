from tests.functional.conftest import house

__all__ = ["house"]
