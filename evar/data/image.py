"""Opening images: decode, check, turn upright, resize, crop. The only door to Pillow.

JPEG, PNG, WebP, TIFF, BMP, GIF, PNM and JPEG 2000 become RGB, 8 bits a channel, of one size. A file decodes whole, or a
ClipFault says why not: nothing in between, and no other exception. Of an animated file, or one of several pages, the
first frame is the image. What is transparent becomes white, grey becomes three equal channels, 16 bits become 8 (the
whole range stays), palettes and CMYK become their colours; colour profiles are not applied.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from evar.base.errors import UsageError
from evar.data.containers import Containers
from evar.data.opening import ClipFault, Decoded, faults, opened, resized

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000")  # none that Pillow has a program open
MOST_PIXELS = 89_478_485  # Pillow's own limit, a quarter of a gibibyte of RGB: beyond, a file may be a bomb
LONGEST = 8  # times the shorter side: what lies further from the middle is never seen
DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I")  # grey of 16 bits
WHITE = (255, 255, 255)

warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # of tags that decide nothing here


def read(path: Path, size: int, inside: Containers | None = None) -> Decoded:
    """Decode `path` to `size` x `size` pixels. inside: opens images that lie inside files.

    The shorter side becomes that of `resized` (bicubic, antialiased), then the middle is cut out. Raises ClipFault, and
    StorageError where no more files can be opened.
    """
    with faults(path), opened(path, inside) as file:
        if not file.read(1):
            raise ClipFault("empty: zero bytes")
        file.seek(0)
        try:
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS:  # a program may have switched off Pillow's own check
                    raise _bomb(f"{image.width:,} x {image.height:,}")
                channels = len(image.getbands())
                shorter = min(image.size)
                pixels = np.asarray(_cropped(_rgb(_upright(image)), size))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:  # the latter if it is made one
            raise _bomb(str(error)) from error
        except UnidentifiedImageError as error:
            raise ClipFault(f"is no image of a kind that is read: {', '.join(FORMATS)}") from error
        except (ClipFault, MemoryError):
            raise
        except Exception as error:  # Pillow raises of every kind
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ClipFault(f"cannot be decoded: {str(error).rstrip('. ') or type(error).__name__}") from error
    contrast = (int(pixels.max()) - int(pixels.min())) / 255
    return Decoded(pixels.reshape(-1).view(np.int16), shorter, 0.0, channels, contrast)


def pixels_of(samples: NDArray[np.int16], size: int) -> NDArray[np.uint8]:
    """(size, size, 3) RGB of an image as the store has it, (sample,)."""
    return samples.view(np.uint8).reshape(size, size, 3)


def require_size(size: int) -> None:
    """Raise UsageError for a size that images cannot be prepared at."""
    if size < 2 or size % 2:
        raise UsageError(f"images are prepared at an even number of pixels, not {size}")


def _bomb(what: str) -> ClipFault:
    return ClipFault(f"more than {MOST_PIXELS:,} pixels ({what}): make it smaller")


def _upright(image: Image.Image) -> Image.Image:
    """As its EXIF orientation says; as it is where its EXIF is broken."""
    image.load()
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # of whatever kind: that of a broken tag
        return image


def _rgb(image: Image.Image) -> Image.Image:
    """In RGB, over white."""
    if image.mode in DEEP:
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise ClipFault("its values have more than 16 bits: convert it")
        image = Image.fromarray(np.rint(values / 257).astype(np.uint8))
    elif image.mode == "F":
        raise ClipFault("its values are floats, of no known range: convert it")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        ground = Image.new("RGB", image.size, WHITE)
        ground.paste(image, mask=image.getchannel("A"))
        return ground
    return image.convert("RGB")


def _cropped(image: Image.Image, size: int) -> Image.Image:
    """Resized and cut to a square: the same pixels as torchvision's Resize and CenterCrop give."""
    target, shorter = resized(size), min(image.size)
    if max(image.size) > LONGEST * shorter:  # resized whole, a line of pixels would take gigabytes
        image = _middle(image, [min(side, LONGEST * shorter) for side in image.size])
    sides = [target if side == shorter else int(target * side / shorter) for side in image.size]
    return _middle(image.resize((sides[0], sides[1]), Image.Resampling.BICUBIC), [size, size])


def _middle(image: Image.Image, sides: Sequence[int]) -> Image.Image:
    left, top = (round((side - kept) / 2) for side, kept in zip(image.size, sides, strict=True))
    return image.crop((left, top, left + sides[0], top + sides[1]))
