"""Images become squares of 8-bit RGB, or a fault says why not; broken and hostile ones stop nothing."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from evar.base.errors import UsageError
from evar.data import image
from evar.data.image import pixels_of
from evar.data.opening import MISSING, ClipFault, Unreadable
from evar.data.store import prepare

SIZE = 32
ORIENTATION = 0x0112


def saved(path, picture, **how):
    picture.save(path, **how)
    return path


def noise(width, height, channels=3, seed=0):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def read(path, size=SIZE):
    return pixels_of(image.read(path, size).samples, size).astype(int)


def published(picture, size):
    """What Resize(256 / 224 of the size, bicubic) and CenterCrop of torchvision give, as its sources have them."""
    target, (width, height) = round(256 / 224 * size), picture.size
    tall, wide = (target, int(target * height / width)), (int(target * width / height), target)
    new = tall if width <= height else wide
    top, left = (round((side - size) / 2.0) for side in (new[1], new[0]))
    return np.asarray(picture.resize(new, Image.Resampling.BICUBIC).crop((left, top, left + size, top + size)))


@pytest.mark.parametrize(("width", "height"), [(41, 90), (300, 200), (37, 37), (20, 61), (33, 160)])
@pytest.mark.parametrize("size", [SIZE, 96])
def test_the_pixels_are_those_of_the_published_evaluation(tmp_path, width, height, size):
    picture = Image.fromarray(noise(width, height))
    assert np.array_equal(read(saved(tmp_path / "a.png", picture), size), published(picture, size))


def test_a_line_of_pixels_takes_no_memory_and_shows_its_middle(tmp_path):
    line = np.zeros((2, 200_000, 3), np.uint8)
    line[:, 99_990:100_010] = 255
    assert read(saved(tmp_path / "a.png", Image.fromarray(line))).min() == 255


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # as evar/data/image.py has it outside of pytest
def test_an_image_is_turned_upright_and_a_broken_tag_stops_nothing(tmp_path):
    picture = Image.fromarray(noise(60, 40))
    exif = picture.getexif()
    exif[ORIENTATION] = 6
    turned = read(saved(tmp_path / "a.png", picture, exif=exif))
    assert np.array_equal(turned, published(picture.rotate(-90, expand=True), SIZE))
    broken = b"Exif\0\0MM\0*\0\0\0\x08\0\xff\x01\x12\0\3"
    assert np.array_equal(
        read(saved(tmp_path / "b.jpg", picture, exif=broken, quality=100)),
        read(saved(tmp_path / "c.jpg", picture, quality=100)),
    )


def test_every_kind_of_pixels_becomes_the_colours_that_it_shows(tmp_path):
    rgb = Image.fromarray(noise(50, 40))
    grey = Image.fromarray(noise(50, 40, channels=1))
    shown = {"rgb": (rgb, rgb), "grey": (grey, grey.convert("RGB"))}
    palette = rgb.quantize(16)
    shown["palette"] = (palette, palette.convert("RGB"))
    clear = rgb.copy()
    clear.putalpha(Image.fromarray(np.where(np.arange(50) < 25, 0, 255).astype(np.uint8)[None].repeat(40, 0)))
    white = rgb.copy()
    white.paste((255, 255, 255), (0, 0, 25, 40))
    shown["alpha"] = (clear, white)
    deep = Image.fromarray(noise(50, 40, channels=1).astype(np.uint16) * 257)
    shown["16 bits"] = (deep, Image.fromarray((np.asarray(deep) // 257).astype(np.uint8)).convert("RGB"))
    for name, (picture, colours) in shown.items():
        assert np.array_equal(read(saved(tmp_path / f"{name}.png", picture)), published(colours, SIZE)), name
    cmyk = rgb.convert("CMYK")
    assert np.array_equal(read(saved(tmp_path / "cmyk.tif", cmyk)), published(cmyk.convert("RGB"), SIZE))


def test_the_first_frame_of_an_animation_is_the_image(tmp_path):
    frames = [Image.fromarray(np.full((40, 40, 3), value, np.uint8)) for value in (200, 10)]
    path = saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert (read(path) == 200).all()


def test_what_is_said_of_an_image_is_its_own(tmp_path):
    grey = Image.fromarray(np.tile(np.linspace(51, 102, 90).astype(np.uint8), (60, 1)))
    decoded = image.read(saved(tmp_path / "a.png", grey), SIZE)
    assert (decoded.original_rate, decoded.channels, decoded.duration) == (60, 1, 0.0)
    assert 0.1 < decoded.peak <= 0.2
    assert image.read(saved(tmp_path / "b.png", Image.new("RGB", (9, 9), "red")), SIZE).peak == 1.0
    assert image.read(saved(tmp_path / "c.png", Image.new("L", (9, 9), 7)), SIZE).peak == 0.0


def bomb(width, height):
    """A PNG of a few bytes that says to hold so many pixels."""
    chunks = [
        b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),
        b"IDAT" + zlib.compress(bytes(9)),
        b"IEND",
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks
    )


def test_broken_and_hostile_files_are_faults_with_a_reason(tmp_path, monkeypatch):
    whole = io.BytesIO()
    Image.fromarray(noise(90, 90)).save(whole, "JPEG")
    svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    files = {
        "cut.jpg": (whole.getvalue()[:900], "cannot be decoded: .*truncated"),
        "text.jpg": (b"no image at all", "is no image of a kind that is read"),
        "drawing.png": (svg, "is no image of a kind that is read"),
        "program.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no image of a kind that is read"),
        "none.png": (b"", "empty: zero bytes"),
        "large.png": (bomb(10_000, 10_000), "more than 89,478,485 pixels"),
        "huge.png": (bomb(60_000, 60_000), "more than 89,478,485 pixels"),
        "hollow.png": (bomb(90, 90), "cannot be decoded"),
    }
    for name, (content, said) in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ClipFault, match=said):
            image.read(tmp_path / name, SIZE)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as training programs do
    with pytest.raises(ClipFault, match="more than 89,478,485 pixels"):
        image.read(tmp_path / "huge.png", SIZE)
    Image.fromarray(np.ones((9, 9), np.float32)).save(tmp_path / "floats.tif")
    with pytest.raises(ClipFault, match="floats, of no known range"):
        image.read(tmp_path / "floats.tif", SIZE)
    with pytest.raises(Unreadable, match=MISSING):
        image.read(tmp_path / "gone.png", SIZE)


def test_a_store_of_images_keeps_what_is_whole_and_quarantines_the_rest(tmp_path):
    root, names = tmp_path / "set", [f"{n}.png" for n in range(6)]
    root.mkdir()
    for n, name in enumerate(names):
        Image.fromarray(noise(50, 40, seed=n % 5)).save(root / name)
    (root / names[3]).write_bytes((root / names[3]).read_bytes()[:2000])
    one, two = (prepare(root, names, SIZE, tmp_path / f"cache{n}", "image", workers=n) for n in (1, 2))
    assert one.digest == two.digest
    assert one.usable.tolist() == [0, 1, 2, 4, 5]
    assert "truncated" in one.quarantined["reason"][3]
    assert one.index["length"].tolist() == [3 * SIZE * SIZE // 2] * 3 + [0] + [3 * SIZE * SIZE // 2] * 2
    assert np.array_equal(pixels_of(two.samples(1), SIZE), read(root / names[1]))
    assert one.index["content"][0] == one.index["content"][5] != one.index["content"][1]
    again = prepare(root, names, SIZE, tmp_path / "cache1", "image", workers=1)
    assert (again.decoded, again.digest) == (0, one.digest)
    with pytest.raises(UsageError, match="an even number of pixels, not 33"):
        prepare(root, names, 33, tmp_path / "cache1", "image", workers=1)
