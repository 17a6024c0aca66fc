"""The main job on real data that ships inside the package: from a catalog to filled maps and pictures."""

from swath.demo.data import COLLECTION, demo_folder, demo_items

__all__ = ["COLLECTION", "demo_folder", "demo_items"]
