"""Who asks at a store: secrets, where they are found, and how they are renewed."""

from swath.storage.credentials.find import find_credentials
from swath.storage.credentials.secret import Credentials, Fixed, Secret

__all__ = ["Credentials", "Fixed", "Secret", "find_credentials"]
