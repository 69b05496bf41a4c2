"""Pixels times a fixed matrix, for pictures from files."""

from PIL import Image

from recbole_mmm4rec.prepare.picture_statistics import SIDE, PixelEncoder


class FilePixels(PixelEncoder):
    """The encoder of the demo shop's drawings; a picture of its side is not resized again."""

    def prepare(self, picture: Image.Image) -> Image.Image:
        """Return the picture as the encoder would resize it."""
        return picture.resize((SIDE, SIDE), Image.Resampling.BOX)
