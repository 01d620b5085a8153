#!/usr/bin/env python3
"""Writes data/images/ and data/preprocess.txt: what Pillow makes of small images of every kind.

usage: make_images.py

images/expected.txt has a line an image: name, width, height, SHA-256 of Image.open(name).convert("RGB").tobytes().
preprocess.txt has a line a case: width, height, shortest side (0: none), resized width and height (0: none), side of the crop (0: none),
Pillow's number of the filter, SHA-256 of the [height,width,3] bytes that remain. Byte i of the image that goes in is (37 i + i / 7) mod 256.
Needs Pillow with WebP. Made with Pillow 9.4 (libjpeg-turbo 2.1.5, libwebp 1.2.4); Pillow 13 decodes the files and makes the cases
to the same bytes (but not a resize that stretches the width and shrinks the height, which it begins with the height).
"""
import hashlib
import io
import os
import random
import struct
import zlib

from PIL import Image

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
WIDTH, HEIGHT = 19, 13  # odd, and not multiples of a JPEG block
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # x, y, dx, dy of Adam7


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def scan_lines(samples, depth):
    """Unfiltered lines of a picture of samples [height][width][channels]."""
    out = b""
    for line in samples:
        bits = "".join(format(value, "0%db" % depth) for pixel in line for value in pixel)
        bits += "0" * (-len(bits) % 8)
        out += b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")
    return out


def png(rng, depth, colour, interlaced=False, transparency=b""):
    samples = [[[rng.randrange(1 << depth) for _ in range(CHANNELS[colour])] for _ in range(WIDTH)] for _ in range(HEIGHT)]
    if colour == 0 and depth == 16:  # around the place where grey is cut off
        samples = [[[v >> rng.choice((0, 7, 8, 9))] for (v,) in line] for line in samples]
    parts = [[line[x::dx] for line in samples[y::dy]] for x, y, dx, dy in PASSES] if interlaced else [samples]
    data = b"".join(scan_lines(part, depth) for part in parts if part and part[0])
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour, 0, 0, interlaced))
            + chunk(b"gAMA", struct.pack(">I", 45455))
            + (chunk(b"PLTE", rng.randbytes(3 << depth)) if colour == 3 else b"")
            + (chunk(b"tRNS", transparency) if transparency else b"")
            + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


def picture(mode):
    """Gradients, so that JPEG and WebP have something to smooth, with an edge."""
    ramp = Image.linear_gradient("L").resize((WIDTH, HEIGHT))
    bands = [ramp, ramp.transpose(Image.FLIP_TOP_BOTTOM), Image.radial_gradient("L").resize((WIDTH, HEIGHT)), ramp.point(lambda v: 255 - v // 2)]
    bands[0].paste(20, (3, 4, 9, 11))
    return bands[0] if mode == "L" else Image.merge(mode, bands[: len(mode)])


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def jpeg(mode, **options):
    return encoded(picture(mode), "JPEG", **options)


def with_adobe_transform(data, transform):
    """The same scan under another colour transform: 2 makes CMYK files YCCK, None takes the marker out."""
    at = data.index(b"\xff\xee")
    length = struct.unpack(">H", data[at + 2 : at + 4])[0]
    marker = b"" if transform is None else data[at : at + 1 + length] + bytes([transform])
    return data[:at] + marker + data[at + 2 + length :]


def riff(kind, data):
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def animation():
    """Two frames, a coloured background, and a first frame that leaves some of the canvas free."""
    def frame(image, x, y):
        place = b"".join(struct.pack("<I", v)[:3] for v in (x // 2, y // 2, image.width - 1, image.height - 1, 100))
        return riff(b"ANMF", place + b"\0" + encoded(image, "WEBP", lossless=True, exact=True)[12:])

    canvas = b"".join(struct.pack("<I", v)[:3] for v in (WIDTH - 1, HEIGHT - 1))
    body = riff(b"VP8X", b"\x12\0\0\0" + canvas) + riff(b"ANIM", b"\x40\x80\xc0\xff\0\0")
    return riff(b"RIFF", b"WEBP" + body + frame(picture("RGBA").crop((0, 0, 11, 8)), 4, 2) + frame(picture("RGBA"), 0, 0))


def images():
    rng = random.Random(1)
    for colour, name in ((0, "grey"), (2, "rgb"), (3, "palette"), (4, "grey-alpha"), (6, "rgb-alpha")):
        for depth in {0: (1, 2, 4, 8, 16), 3: (1, 2, 4, 8)}.get(colour, (8, 16)):
            yield "%s-%d.png" % (name, depth), png(rng, depth, colour)
    for depth, colour, name in ((1, 0, "grey"), (16, 0, "grey"), (4, 3, "palette"), (8, 2, "rgb"), (16, 6, "rgb-alpha")):
        yield "%s-%d-interlaced.png" % (name, depth), png(rng, depth, colour, True)
    yield "grey-16-transparent.png", png(rng, 16, 0, transparency=b"\0\x40")
    yield "rgb-8-transparent.png", png(rng, 8, 2, transparency=bytes(6))
    yield "palette-4-transparent.png", png(rng, 4, 3, transparency=b"\0\x80\xff")
    for subsampling, name in ((0, "444"), (1, "422"), (2, "420")):
        yield "rgb-%s.jpg" % name, jpeg("RGB", subsampling=subsampling)
        yield "rgb-%s-progressive.jpg" % name, jpeg("RGB", subsampling=subsampling, progressive=True)
    yield "grey.jpg", jpeg("L")
    yield "grey-progressive.jpg", jpeg("L", progressive=True)
    yield "cmyk.jpg", jpeg("CMYK")
    yield "cmyk-no-adobe.jpg", with_adobe_transform(jpeg("CMYK"), None)
    yield "ycck.jpg", with_adobe_transform(jpeg("CMYK"), 2)
    turned = Image.Exif()
    turned[0x0112] = 6
    yield "exif-turned.jpg", jpeg("RGB", exif=turned)
    yield "lossy.webp", encoded(picture("RGB"), "WEBP", quality=70)
    yield "lossy-alpha.webp", encoded(picture("RGBA"), "WEBP", quality=70)
    yield "lossless.webp", encoded(picture("RGB"), "WEBP", lossless=True)
    yield "lossless-alpha.webp", encoded(picture("RGBA"), "WEBP", lossless=True, exact=True)
    yield "animation.webp", animation()


# width, height, shortest, resized width, resized height, crop, filter
CASES = (
    (24, 24, 24, 0, 0, 24, 3),  # nothing to do
    (1, 1, 24, 0, 0, 24, 3),
    (1000, 1, 24, 0, 0, 24, 3),
    (1, 1000, 24, 0, 0, 24, 3),
    (3, 1000, 7, 0, 0, 7, 2),
    (640, 427, 24, 0, 0, 24, 3),  # 35.97 becomes 35
    (427, 640, 24, 0, 0, 24, 3),
    (5, 3, 24, 0, 0, 24, 3),
    (100, 99, 224, 0, 0, 224, 3),  # 226.26 becomes 226
    (33, 22, 24, 0, 0, 24, 3),  # exactly 36
    (97, 61, 25, 0, 0, 22, 3),  # 39: both differences are odd
    (61, 97, 25, 0, 0, 22, 2),
    (97, 61, 20, 0, 0, 25, 3),  # 31 x 20: cut in one direction, a border in the other
    (61, 97, 17, 0, 0, 30, 3),
    (9, 9, 0, 0, 0, 24, 3),  # no resize: a border all around
    (40, 31, 0, 0, 0, 24, 3),
    (40, 31, 0, 24, 24, 0, 3),  # to a fixed size
    (40, 31, 0, 11, 90, 24, 2),
)


def preprocessed(width, height, shortest, to_width, to_height, crop, resample):
    image = Image.frombytes("RGB", (width, height), bytes((37 * i + i // 7) % 256 for i in range(3 * width * height)))
    if shortest:
        to_width, to_height = (shortest, int(shortest * height / width)) if width <= height else (int(shortest * width / height), shortest)
    if to_width:
        image = image.resize((to_width, to_height), resample=resample)
    if crop:  # as transformers: offsets rounded down, also below 0, and black beyond the image
        out = Image.new("RGB", (crop, crop))
        out.paste(image, (-((image.width - crop) // 2), -((image.height - crop) // 2)))
        image = out
    return image.tobytes()


def main():
    folder = os.path.join(DATA, "images")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "expected.txt"), "w") as out:
        for name, data in images():
            path = os.path.join(folder, name)
            with open(path, "wb") as file:
                file.write(data)
            with Image.open(path) as image:
                rgb = image.convert("RGB")
            print(name, *rgb.size, hashlib.sha256(rgb.tobytes()).hexdigest(), file=out)
    with open(os.path.join(DATA, "preprocess.txt"), "w") as out:
        for case in CASES:
            print(*case, hashlib.sha256(preprocessed(*case)).hexdigest(), file=out)


if __name__ == "__main__":
    main()
